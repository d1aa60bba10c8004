// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/boot_loader.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "host/boot_files.hpp"
#include "host/kernel_command_line.hpp"

namespace gpuctl {
namespace {

/// NixOS, Limine, rEFInd, ZFSBootMenu, ...: somebody else's generator owns the arguments.
class ByHand : public BootLoader {
 public:
  std::string_view id() const override { return "manual"; }
  std::string description() const override { return "a boot loader that gpuctl does not change"; }
  bool in_use(const RootDir&) const override { return true; }
  std::vector<std::string> configured(const RootDir& root) const override {
    return split_arguments(root.text("proc/cmdline"));
  }
  ConfigChange plan(const RootDir& root, const ArgumentChange& change) const override {
    throw Error(ErrorCode::not_supported, instructions(root, change));
  }
  std::vector<std::string> effective(const RootDir&) const override { return {}; }

 private:
  static std::string instructions(const RootDir& root, const ArgumentChange& change) {
    const auto what =
        fmt::format("{}{}{}", change.add.empty() ? "" : fmt::format("add \"{}\" to", joined(change.add)),
                    !change.add.empty() && !change.remove.empty() ? " and " : "",
                    change.remove.empty() ? "" : fmt::format("remove \"{}\" from", joined(change.remove)));
    if (root.exists("etc/NIXOS"))
      return fmt::format(
          "on NixOS {} boot.kernelParams in the system configuration, then `nixos-rebuild boot`", what);
    if (by_sdboot_manage(root))
      return fmt::format(
          "sdboot-manage makes the entries anew for every new kernel: {} LINUX_OPTIONS in "
          "/etc/sdboot-manage.conf by hand, then run `sudo sdboot-manage gen` and reboot",
          what);
    const auto info = loader_info(root);
    return fmt::format("gpuctl does not know how {} keeps its kernel arguments: {} them by hand, then reboot",
                       info.empty() ? "this boot loader" : info, what);
  }
};

/// GRUB puts BOOT_IMAGE= before the configured arguments; rEFInd, and firmware that starts the kernel itself,
/// do not.
bool may_be_grub(const RootDir& root) {
  const KernelCommandLine running{root.text("proc/cmdline")};
  return !root.exists("sys/firmware/efi") || running.arguments().empty() || running.value("BOOT_IMAGE");
}

/// GRUB may be left over on a system that boots by something else; firmware says what really started.
bool foreign_loader(const RootDir& root) {
  const auto info = loader_info(root);
  if (root.exists("etc/NIXOS")) return true;
  if (info.empty()) return !may_be_grub(root);
  return !info.starts_with("systemd-boot") && !info.starts_with("GRUB");
}

}  // namespace

const BootLoader& by_hand() {
  static const ByHand loader;
  return loader;
}

const BootLoader& find_boot_loader(const RootDir& root) {
  if (rpm_ostree().in_use(root)) return rpm_ostree();
  if (kernelstub().in_use(root)) return kernelstub();
  if (foreign_loader(root)) return by_hand();
  if (by_sdbootutil(root)) return kernel_install();
  if (loader_info(root).starts_with("systemd-boot")) {
    for (const auto* loader : {&kernel_install(), &loader_entries()})
      if (loader->in_use(root)) return *loader;
    return by_hand();
  }
  for (const auto* loader : {&grubby(), &grub_drop_in(), &grub_defaults()})
    if (loader->in_use(root)) return *loader;
  return by_hand();
}

const BootLoader* boot_loader(std::string_view id) {
  for (const auto* loader : {&rpm_ostree(), &kernelstub(), &kernel_install(), &loader_entries(), &grubby(),
                             &grub_drop_in(), &grub_defaults()})
    if (loader->id() == id) return loader;
  return nullptr;
}

}  // namespace gpuctl
