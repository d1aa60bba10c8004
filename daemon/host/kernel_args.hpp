// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "host/boot_loader.hpp"
#include "os/root_dir.hpp"
#include "os/systemd_control.hpp"

namespace gpuctl {

struct KernelArgumentsRecord;

struct KernelArgumentsWish {
  bool passthrough{};    ///< also iommu=pt: the host's own devices untranslated
  bool drop_vfio_ids{};  ///< also take vfio-pci.ids= of an older set-up out
};

struct KernelArgumentsState {
  std::string mechanism, description;
  std::vector<std::string> current;     ///< of the running kernel
  std::vector<std::string> configured;  ///< of the next boot
  ArgumentChange needed;                ///< still to be configured so that the IOMMU comes on
  std::string advice;                   ///< one sentence: what holds, or why no argument helps
  bool changed_by_gpuctl{};             ///< there is something to undo
  bool reboot_needed{};                 ///< configured and running arguments differ in what gpuctl changed
};

struct KernelArgumentsPlan {
  const BootLoader* loader{};
  ArgumentChange change;
  ConfigChange config;

  bool empty() const { return change.empty(); }
  /// Unified diff, then the commands that will run as "# run: ..." lines; "" when there is nothing to do.
  std::string text() const;
};

/// Where gpuctld keeps what outlives it. Absolute in production.
struct HostPaths {
  std::filesystem::path state;    ///< /var/lib/gpuctl
  std::filesystem::path runtime;  ///< /run/gpuctl
};

/// The kernel arguments of this host, by the one mechanism that it has. Blocking: for a worker.
class KernelArguments {
 public:
  KernelArguments(const RootDir& root, SystemdControl& systemd, HostPaths paths);

  KernelArgumentsState state() const;
  /// Throws Error(not_supported) with instructions where gpuctl knows no mechanism.
  KernelArgumentsPlan plan(const KernelArgumentsWish& wish) const;
  /// Why enable() with this wish, or undo(), would do nothing; "" when it would.
  std::string nothing_to_enable(const KernelArgumentsWish& wish) const;
  std::string nothing_to_undo() const;
  /// Keeps what is needed for undo, has the change carried out, and looks whether the boot loader has it.
  /// Returns a sentence on what was done. Throws Error(state_unwritable | not_supported | internal |
  /// kernel_refused); after those all is as it was, or the message says that something stayed, which undo()
  /// takes out.
  std::string enable(const KernelArgumentsWish& wish);
  /// Takes back everything that enable() did, files byte for byte unless they were changed since or a kernel
  /// came: then the tool makes them anew, and it is looked whether the change is gone. Without anything to
  /// undo it says so.
  std::string undo();
  /// For good: as undo(), but a tool that fails neither brings gpuctl's own edits back nor keeps the changes
  /// before; all that has failed is told in the end, and no record of it stays.
  void forget();

 private:
  std::vector<std::string> configured(const BootLoader& loader) const;
  void carry_out(const ApplyRequest& request);
  [[noreturn]] void give_up(const KernelArgumentsPlan& planned, const KernelArgumentsRecord& record,
                            const FileContents& before, const Error& failure);
  [[noreturn]] void take_back(const KernelArgumentsPlan& planned);
  void carry_out_for_good(const ApplyRequest& request);
  /// `how` carries the request out.
  ArgumentChange undo_last(void (KernelArguments::*how)(const ApplyRequest&) = &KernelArguments::carry_out);

  const RootDir& root_;
  SystemdControl& systemd_;
  HostPaths paths_;
};

/// Hands a request to gpuctl-apply@INSTANCE.service, waits for it, and looks whether the files are as they
/// should be. Throws what SystemdControl throws, and Error(state_unwritable).
void apply_by_systemd(const RootDir& root, SystemdControl& systemd, const HostPaths& paths,
                      const std::string& instance, const ApplyRequest& request);

}  // namespace gpuctl
