// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/apply.hpp"
#include "host/iommu_support.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// What a mechanism would do for a change of kernel arguments.
struct ConfigChange {
  ApplyRequest request;
  /// Where the tool itself writes the files: what will change, as a diff of the arguments. Empty: the edits
  /// say it.
  std::string tool_diff;
  /// Files that a tool is going to change; their contents are kept for an exact undo.
  std::vector<std::string> watched;
  /// Why this would not bring the change about, with what to do by hand; "": it does.
  std::string obstacle;
  /// A tool that fails half-way may leave something that `watched` does not show: a unified image, a
  /// deployment.
  bool unseen{};
};

/// One way in which a system's kernel arguments are kept. Reads and computes; apply() acts.
class BootLoader {
 public:
  virtual ~BootLoader() = default;
  virtual std::string_view id() const = 0;  ///< kebab-case, stable
  virtual std::string description() const = 0;
  virtual bool in_use(const RootDir& root) const = 0;
  /// Arguments of the next boot, as the mechanism's own configuration has them.
  virtual std::vector<std::string> configured(const RootDir& root) const = 0;
  virtual ConfigChange plan(const RootDir& root, const ArgumentChange& change) const = 0;
  /// Lines of arguments in what the boot loader itself reads; empty when that can be seen only after a
  /// reboot.
  virtual std::vector<std::string> effective(const RootDir& root) const = 0;
};

/// The one in use; the first that fits, and never two. Without any, one that can change nothing (id "manual")
/// and whose plan throws Error(not_supported) with instructions.
const BootLoader& find_boot_loader(const RootDir& root);
/// By id, for an undo; nullptr if there is no such mechanism.
const BootLoader* boot_loader(std::string_view id);

// In boot_loaders/*.cpp.
const BootLoader& rpm_ostree();
const BootLoader& kernelstub();
const BootLoader& kernel_install();
const BootLoader& loader_entries();
const BootLoader& grubby();
const BootLoader& grub_drop_in();
const BootLoader& grub_defaults();
const BootLoader& by_hand();

/// CachyOS and Manjaro: sdboot-manage makes systemd-boot's entries anew whenever a kernel comes.
bool by_sdboot_manage(const RootDir& root);

}  // namespace gpuctl
