// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include <fmt/format.h>

#include "core/error.hpp"
#include "host/boot_files.hpp"
#include "host/boot_loader.hpp"
#include "host/kernel_command_line.hpp"
#include "host/shell_file.hpp"
#include "host/text.hpp"

namespace gpuctl {
namespace {

constexpr auto cmdline = "etc/kernel/cmdline";

bool is_systemd_boot(const RootDir& root) { return loader_info(root).starts_with("systemd-boot"); }

std::vector<std::string> unified_images(const RootDir& root) {
  std::vector<std::string> found;
  for (const std::string directory : {"boot/EFI/Linux", "efi/EFI/Linux", "boot/efi/EFI/Linux"})
    for (const auto& name : root.list(directory))
      if (name.ends_with(".efi")) found.push_back(directory + "/" + name);
  return found;
}

/// sdbootutil makes GRUB sort its entries by a word in front.
std::string without_order(const std::string& name) {
  for (const std::string word : {"system-", "snapper-"})
    if (name.starts_with(word)) return name.substr(word.size());
  return name;
}

/// kernel-install names its entries by machine id (or the token of /etc/kernel/entry-token); those of other
/// systems on the same partition have other names.
std::vector<std::string> entries_of_kernel_install(const RootDir& root) {
  auto token = root.text("etc/kernel/entry-token");
  if (token.empty()) token = root.text("etc/machine-id");
  auto entries = find_entries(root);
  std::erase_if(entries, [&](const auto& path) {
    return token.empty() || !without_order(path.substr(path.rfind('/') + 1)).starts_with(token + "-");
  });
  return entries;
}

/// As sdbootutil's update-all-entries: those of other snapshots stay as they were when they were taken.
std::vector<std::string> entries_of_this_snapshot(const RootDir& root) {
  const auto snapshot = KernelCommandLine{root.text("proc/cmdline")}.value("rootflags");
  auto entries = entries_of_kernel_install(root);
  std::erase_if(entries, [&](const auto& path) {
    return KernelCommandLine{entry_options(root.text(path))}.value("rootflags") != snapshot;
  });
  return entries;
}

bool entries_by_kernel_install(const RootDir& root) { return !entries_of_kernel_install(root).empty(); }

/// What kernel-install itself takes when nothing is configured (src/kernel-install/90-loaderentry.install).
std::string inherited_arguments(const RootDir& root) {
  if (const auto text = root.text("usr/lib/kernel/cmdline"); !text.empty()) return text;
  auto arguments = split_arguments(root.text("proc/cmdline"));
  std::erase_if(arguments,
                [](const auto& a) { return a.starts_with("BOOT_IMAGE=") || a.starts_with("initrd="); });
  return joined(arguments);
}

/// The first is where gpuctld.service shows the modules that its sandbox hides.
constexpr const char* module_directories[] = {"run/gpuctl/modules/", "usr/lib/modules/"};

std::vector<std::string> kernel_versions(const RootDir& root) {
  for (const auto* directory : module_directories)
    if (auto versions = root.list(directory); !versions.empty()) return versions;
  return {};
}

/// Where Debian has it, else where Fedora and Arch do; "" for modules without a kernel.
std::string kernel_image(const RootDir& root, const std::string& version) {
  if (root.exists("boot/vmlinuz-" + version)) return "/boot/vmlinuz-" + version;
  for (const auto* directory : module_directories)
    if (root.exists(directory + version + "/vmlinuz"))
      return fmt::format("/usr/lib/modules/{}/vmlinuz", version);
  return {};
}

/// One run for each installed kernel: its entry is made anew from /etc/kernel/cmdline.
std::vector<ToolRun> reinstall_kernels(const RootDir& root) {
  std::vector<ToolRun> runs;
  for (const auto& version : kernel_versions(root)) {
    const auto image = kernel_image(root, version);
    if (image.empty()) continue;
    runs.push_back({"kernel-install", {version, image}});
    if (const auto initrd = "boot/initrd.img-" + version; root.exists(initrd))
      runs.back().arguments.push_back("/" + initrd);
  }
  return runs;
}

/// TOKEN-VERSION.conf, or TOKEN-VERSION+TRIES.conf while boots are counted.
bool is_entry_of(const std::string& path, const std::string& version) {
  return path.ends_with("-" + version + ".conf") || path.find("-" + version + "+") != std::string::npos;
}

/// An entry that is left of a removed kernel, or the rescue entry, is not made anew.
std::vector<std::string> entries_of(const RootDir& root, const std::vector<ToolRun>& runs) {
  auto entries = entries_of_kernel_install(root);
  std::erase_if(entries, [&](const auto& path) {
    return std::ranges::none_of(runs, [&](const auto& r) { return is_entry_of(path, r.arguments.at(0)); });
  });
  return entries;
}

std::vector<std::string> options_of(const RootDir& root, const std::vector<std::string>& entries) {
  std::vector<std::string> found;
  for (const auto& path : entries) found.push_back(entry_options(root.text(path)));
  return found;
}

/// Entries (or unified images) that are generated from /etc/kernel/cmdline.
class KernelInstall : public BootLoader {
 public:
  std::string_view id() const override { return "kernel-install"; }
  std::string description() const override {
    return "boot loader entries made from /etc/kernel/cmdline (kernel-install, sdbootutil)";
  }
  bool in_use(const RootDir& root) const override {
    if (by_sdbootutil(root)) return true;
    if (!is_systemd_boot(root) || installed(root, "sdbootutil")) return false;
    if (by_kernel_install(root)) return true;
    return !unified_images(root).empty() && root.exists(cmdline) && installed(root, "mkinitcpio");
  }
  std::vector<std::string> configured(const RootDir& root) const override {
    return split_arguments(root.exists(cmdline) ? root.text(cmdline) : inherited_arguments(root));
  }

  /// sdbootutil also predicts what the TPM measures of its entries: an older text of theirs put back by
  /// others would not unlock the disk.
  ConfigChange plan(const RootDir& root, const ArgumentChange& change) const override {
    const auto before = read_exactly(root, cmdline);
    const auto now = configured(root);
    const auto after = changed(now, change);
    const bool sealed = by_sdbootutil(root);
    ConfigChange planned{{{}, tools(root)}, "", {}, "", sealed || !unified_images(root).empty()};
    if (!sealed) planned.watched = find_entries(root);
    if (after != now) planned.request.edits.push_back({cmdline, before, joined(after) + "\n"});
    return planned;
  }

  /// The arguments inside unified images are not read back.
  std::vector<std::string> effective(const RootDir& root) const override {
    if (by_sdbootutil(root)) return options_of(root, entries_of_this_snapshot(root));
    if (!by_kernel_install(root)) return {};
    return options_of(root, entries_of(root, reinstall_kernels(root)));
  }

 private:
  static bool by_kernel_install(const RootDir& root) {
    return installed(root, "kernel-install") && entries_by_kernel_install(root);
  }
  static std::vector<ToolRun> tools(const RootDir& root) {
    if (by_sdbootutil(root)) return {{"sdbootutil", {}}};
    if (by_kernel_install(root)) return reinstall_kernels(root);
    return {{"mkinitcpio", {}}};
  }
};

/// systemd-boot with entries somebody wrote by hand (an Arch installation): their options lines are the
/// configuration.
class LoaderEntries : public BootLoader {
 public:
  std::string_view id() const override { return "loader-entries"; }
  std::string description() const override { return "systemd-boot with hand-written entries"; }
  bool in_use(const RootDir& root) const override {
    return is_systemd_boot(root) && !by_sdboot_manage(root) && !find_entries(root).empty() &&
           unified_images(root).empty();
  }
  std::vector<std::string> configured(const RootDir& root) const override {
    const auto all = options_of(root, find_entries(root));
    return all.empty() ? std::vector<std::string>{} : split_arguments(all.front());
  }

  ConfigChange plan(const RootDir& root, const ArgumentChange& change) const override {
    ConfigChange planned;
    for (const auto& path : find_entries(root)) {
      const auto text = read_exactly(root, path).value_or("");
      if (const auto after = with_options(text, change); after != text)
        planned.request.edits.push_back({path, text, after});
    }
    return planned;
  }

  std::vector<std::string> effective(const RootDir& root) const override {
    return options_of(root, find_entries(root));
  }
};

}  // namespace

bool by_sdboot_manage(const RootDir& root) {
  if (!is_systemd_boot(root) || !installed(root, "sdboot-manage")) return false;
  ShellVariables variables;
  read_into(variables, read_shell_file(root.text("etc/sdboot-manage.conf")));
  return variables["NO_AUTOGEN"] != "yes";
}

const BootLoader& kernel_install() {
  static const KernelInstall loader;
  return loader;
}

const BootLoader& loader_entries() {
  static const LoaderEntries loader;
  return loader;
}

}  // namespace gpuctl
