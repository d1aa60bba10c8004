// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "host/apply.hpp"
#include "host/kernel_args.hpp"
#include "os/systemd_control.hpp"
#include "support/captured_machine.hpp"

namespace gpuctl::test {

/// systemd that has gpuctl-apply@.service do its work in this process, on a machine's directory; the
/// distribution's tools are played by functions over the same directory, as their manual pages tell it.
class ApplyingSystemd : public SystemdControl {
 public:
  explicit ApplyingSystemd(const RootDir& root) : root_(root) {}

  std::vector<std::string> units;     ///< started
  std::vector<std::string> commands;  ///< run, joined by blanks
  std::string failing;                ///< program that exits with 1
  std::string failing_with;           ///< word of a command that makes it exit with 1
  std::string silent;                 ///< program that reports success and does nothing
  std::vector<std::string> others;    ///< entries of other systems, which kernelstub leaves alone
  bool real_kernel_install{};         ///< systemd's own, over the machine's directory

  void start_unit(const std::string& unit) override;
  void stop_unit(const std::string&) override {}
  void restart_unit(const std::string&) override {}
  void load_module(const std::string&) override {}
  void unload_module(const std::string&) override {}

  /// Lets the mechanism's generator write its file once, so that a later run changes only what was asked for.
  void run_once_for_a_settled_tree(const std::string& mechanism);

  HostPaths paths() const { return {root_.path() / "var/lib/gpuctl", root_.path() / "run/gpuctl"}; }

  int run(const std::vector<std::string>& command);

 private:
  const RootDir& root_;
};

/// Every file below etc and boot with its contents.
std::map<std::string, std::string> configuration_of(const RootDir& root);

inline std::filesystem::path machine_part(const std::string& name) {
  return std::filesystem::path(TEST_DATA) / "machines" / "parts" / (name + ".tree");
}

}  // namespace gpuctl::test
