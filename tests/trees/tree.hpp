// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "host/kernel_args.hpp"
#include "os/root_dir.hpp"
#include "os/systemd_control.hpp"

namespace gpuctl::test {

/// A Debian release in a directory (GPUCTL_TREE, unchanged), for one test: what is written goes away with it.
/// Its /proc and /sys are what the test puts there; tools see a real /proc, the devices and an empty /sys.
class Tree {
 public:
  Tree();
  ~Tree();
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  const RootDir& root() const { return root_; }
  HostPaths paths() const { return {directory_ / "var/lib/gpuctl", directory_ / "run/gpuctl"}; }
  std::string kernel() const;  ///< version of the one that is installed

  Tree& file(const std::string& path, const std::string& text);
  Tree& script(const std::string& path, const std::string& text);
  Tree& directory(const std::string& path);
  Tree& rename(const std::string& from, const std::string& to);
  std::string text(const std::string& path) const;
  /// Every file below these directories, with its contents; links by their targets.
  std::map<std::string, std::string> files(std::initializer_list<const char*> tops) const;

  /// Runs a command of the release inside; its exit status. What it printed is in output().
  int run(const std::vector<std::string>& command) const;
  std::string output() const;

 private:
  std::filesystem::path scratch_, directory_;
  RootDir root_;
};

/// systemd, that has gpuctl-apply@.service do its work in a tree, with the release's own tools.
class SystemdOfTree : public SystemdControl {
 public:
  explicit SystemdOfTree(const Tree& tree) : tree_(tree) {}
  void start_unit(const std::string& unit) override;
  void stop_unit(const std::string&) override {}
  void restart_unit(const std::string&) override {}
  void load_module(const std::string&) override {}
  void unload_module(const std::string&) override {}

  std::vector<std::string> commands;  ///< run, joined by blanks

 private:
  const Tree& tree_;
};

}  // namespace gpuctl::test
