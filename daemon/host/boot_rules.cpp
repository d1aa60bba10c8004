// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/boot_rules.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "host/boot_files.hpp"
#include "host/host_facts.hpp"

namespace gpuctl {
namespace {

constexpr auto head =
    R"(# Written by gpuctl from its boot policy; `gpuctl boot clear` removes it. The kernel argument gpuctl.boot=host
# switches it off for one boot.
ACTION!="add", GOTO="gpuctl_boot_end"
SUBSYSTEM!="pci", GOTO="gpuctl_boot_end"
)";

constexpr auto initramfs_marks =
    R"(# gpuctld is not in an initramfs, where the rules count nevertheless if gpuctl has put them there: dracut, with
# systemd or without, and update-initramfs copy all rules of /etc. Its file for the tool goes along and tells.
TEST=="/etc/initrd-release", TEST=="/etc/dracut.conf.d/90-gpuctl.conf", GOTO="gpuctl_boot_begin"
TEST=="/lib/dracut-lib.sh", TEST=="/etc/dracut.conf.d/90-gpuctl.conf", GOTO="gpuctl_boot_begin"
TEST=="/etc/initrd-release", TEST=="/etc/mkinitcpio.conf.d/90-gpuctl.conf", GOTO="gpuctl_boot_begin"
TEST=="/conf/gpuctl", GOTO="gpuctl_boot_begin"
)";

constexpr auto conditions = R"(# Without gpuctld nobody would give the GPU back.
TEST!=")" GPUCTLD R"(", GOTO="gpuctl_boot_end"
LABEL="gpuctl_boot_begin"
# Without an IOMMU vfio-pci takes nothing, and the host's driver would be kept out.
TEST!="iommu_group", GOTO="gpuctl_boot_end"
IMPORT{cmdline}="gpuctl.boot"
ENV{gpuctl.boot}=="host", GOTO="gpuctl_boot_end"
)";

/// Tools copy all rules of /etc into an initramfs, and copies of the others would outlive them.
std::string begin_of(RuleFile file) {
  return fmt::format("{}{}{}", head, file == RuleFile::boot ? initramfs_marks : "", conditions);
}

/// The module may be loaded already, or built in: then nothing but drivers_probe would bind the function.
constexpr auto tail = R"(ENV{GPUCTL_BOOT}=="vm", ATTR{[subsystem/pci]drivers_probe}="$kernel"
ENV{GPUCTL_BOOT}=="vm", RUN{builtin}+="kmod load vfio-pci"
LABEL="gpuctl_boot_end"
)";

/// DRIVER=="": a function that a driver has is left alone, so that replayed events change nothing later on.
std::string rule(const PinnedFunction& f) {
  return fmt::format(
      "KERNEL==\"{}\", DRIVER==\"\", ATTR{{vendor}}==\"0x{:04x}\", ATTR{{device}}==\"0x{:04x}\", "
      "ATTR{{subsystem_vendor}}==\"0x{:04x}\", ATTR{{subsystem_device}}==\"0x{:04x}\", "
      "ATTR{{driver_override}}=\"vfio-pci\", ENV{{GPUCTL_BOOT}}=\"vm\"\n",
      f.address.str(), f.id.vendor, f.id.device, f.id.subsystem_vendor, f.id.subsystem_device);
}

/// The screen on which the firmware and the kernel show the boot: also where another card had it when the
/// policy was set.
std::string unless_boot_display(const BootPolicy& policy) {
  std::set<std::string> slots{policy.gpu.slot().str() + ".*"};
  for (const auto& function : policy.functions) slots.insert(function.address.slot().str() + ".*");
  return fmt::format("KERNEL==\"{}\", ATTR{{[pci/{}]boot_vga}}==\"1\", GOTO=\"gpuctl_boot_end\"\n",
                     fmt::join(slots, "|"), policy.gpu.str());
}

bool belongs(const BootPolicy& policy, RuleFile file) {
  const bool last_at_vm = policy.side == BootSide::last && policy.last == BootSide::vm;
  switch (file) {
    case RuleFile::boot:
      return policy.state == PolicyState::confirmed && policy.side == BootSide::vm;
    case RuleFile::last:
      return policy.state == PolicyState::confirmed && last_at_vm;
    case RuleFile::trial:
      return policy.state == PolicyState::pending && (policy.side == BootSide::vm || last_at_vm);
  }
  return false;
}

/// sdbootutil has dracut make the initrd, with dracut's configuration, and puts it into the entries.
constexpr auto by_dracut = "sdbootutil-mkinitrd";

struct InitramfsFile {
  const char* tool;
  const char* path;
  const char* text;
  bool executable;
};

/// A changing `last` is not worth a new initramfs at every shutdown; it is bound late, before the display
/// manager.
bool wants_initramfs(const BootPolicy& policy) { return policy.late && belongs(policy, RuleFile::boot); }

constexpr InitramfsFile initramfs_files[] = {
    {"update-initramfs", "etc/initramfs-tools/hooks/gpuctl", R"(#!/bin/sh
# Written by gpuctl from its boot policy: its udev rules and vfio-pci go into the initramfs. Rules of /etc get there
# without it, too; /conf/gpuctl makes these count.
case "$1" in prereqs) echo udev; exit 0;; esac
. /usr/share/initramfs-tools/hook-functions
rules=/etc/udev/rules.d/61-gpuctl-boot.rules
[ -e "$rules" ] && [ -e )" GPUCTLD R"( ] || exit 0
mkdir -p "$DESTDIR/etc/udev/rules.d"
cp -p "$rules" "$DESTDIR/etc/udev/rules.d/"
: > "$DESTDIR/conf/gpuctl"
manual_add_modules vfio_pci vfio_iommu_type1
)",
     true},
    {"dracut", "etc/dracut.conf.d/90-gpuctl.conf",
     R"(# Written by gpuctl from its boot policy: its udev rules and vfio-pci go into the initramfs.
if [ -e )" GPUCTLD R"( ]; then
    install_items+=" /etc/udev/rules.d/61-gpuctl-boot.rules /etc/dracut.conf.d/90-gpuctl.conf "
    add_drivers+=" vfio_pci vfio_iommu_type1 "
fi
)",
     false},
    {"mkinitcpio", "etc/mkinitcpio.conf.d/90-gpuctl.conf",
     R"(# Written by gpuctl from its boot policy: its udev rules and vfio-pci go into the initramfs.
if [ -e )" GPUCTLD R"( ]; then
    FILES+=(/etc/udev/rules.d/61-gpuctl-boot.rules /etc/mkinitcpio.conf.d/90-gpuctl.conf)
    MODULES=(vfio_pci vfio_iommu_type1 "${MODULES[@]}")
fi
)",
     false},
};

/// dracut's packages may bring an update-initramfs that calls dracut, and those of initramfs-tools leave
/// their mkinitramfs behind when dracut takes their place.
bool by_initramfs_tools(const RootDir& root) {
  return installed(root, "mkinitramfs") &&
         root.text("usr/sbin/update-initramfs").find("mkinitramfs") != std::string::npos;
}

void edit(ApplyRequest& request, const RootDir& root, const std::string& path, const std::string& text,
          bool executable = false) {
  const auto before = read_exactly(root, path);
  const auto after = text.empty() ? std::nullopt : std::optional{text};
  if (before != after) request.edits.push_back({path, before, after, executable});
}

/// ALL_config="/etc/mkinitcpio.conf"; an empty value counts for nothing.
bool sets_config(const std::string& line) {
  const auto is_of_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  const auto name = line.substr(0, line.find('='));
  return name.ends_with("_config") && std::ranges::all_of(name, is_of_name) &&
         line.find_first_not_of("\"' \t", name.size() + 1) != std::string::npos;
}

std::string preset_configs(const RootDir& root) {
  std::string all;
  for (const auto& [path, line] : find_lines(root, {"etc/mkinitcpio.d"}, ".preset", "_config="))
    if (sets_config(line)) all += fmt::format("{}`{}` in /{}", all.empty() ? "" : ", ", line, path);
  return all;
}

/// mkinitcpio(8): -c, which such a line of a preset becomes, leaves drop-ins out.
std::string preset_obstacle(const RootDir& root) {
  const auto lines = preset_configs(root);
  if (lines.empty()) return {};
  return fmt::format(
      "the host's driver has it first, for with {} mkinitcpio ignores the rule in /etc/mkinitcpio.conf.d: "
      "put a # in front of that, then run `sudo mkinitcpio -P`",
      lines);
}

/// Whether a word of MODULES=(...) is a host driver for GPUs of this vendor.
bool loads_driver(const std::string& line, std::uint16_t vendor) {
  static const std::map<std::uint16_t, std::set<std::string>> drivers{
      {0x10de, {"nvidia", "nvidia_drm", "nvidia-drm", "nouveau", "nova_core"}},
      {0x1002, {"amdgpu", "radeon"}},
      {0x8086, {"i915", "xe"}}};
  auto words = line;
  std::ranges::replace_if(
      words, [](char c) { return std::string_view{"()\"'=+\t"}.find(c) != std::string_view::npos; }, ' ');
  std::istringstream text{words};
  const auto known = drivers.find(vendor);
  return known != drivers.end() &&
         std::any_of(std::istream_iterator<std::string>{text}, {},
                     [&](const auto& word) { return known->second.contains(word); });
}

/// Its init loads MODULES before udev begins (mkinitcpio: init, and systemd-modules-load for the systemd
/// hook).
std::string early_modules_obstacle(const RootDir& root, const BootPolicy& policy) {
  auto lines = find_lines(root, {"etc"}, "mkinitcpio.conf", "MODULES");
  std::ranges::move(find_lines(root, {"etc/mkinitcpio.conf.d"}, ".conf", "MODULES"),
                    std::back_inserter(lines));
  for (const auto& [path, line] : lines)
    if (!policy.functions.empty() && loads_driver(line, policy.functions.front().id.vendor))
      return fmt::format(
          "the host's driver has it first, for `{}` in /{} loads that before any rule counts: take it out "
          "there, then run `sudo mkinitcpio -P`",
          line, path);
  return {};
}

std::string mkinitcpio_obstacle(const RootDir& root, const BootPolicy& policy) {
  const auto obstacle = preset_obstacle(root);
  return obstacle.empty() ? early_modules_obstacle(root, policy) : obstacle;
}

/// Of Arch: its hooks give dracut names of images that dracut by itself does not know
/// (/boot/initramfs-linux.img).
bool names_images_itself(const RootDir& root) {
  // the first is where gpuctld.service shows the modules that its sandbox hides
  return std::ranges::any_of(std::array{"run/gpuctl/modules", "usr/lib/modules"}, [&](const std::string dir) {
    return std::ranges::any_of(root.list(dir), [&](const auto& kernel) {
      return root.exists(fmt::format("{}/{}/pkgbase", dir, kernel));
    });
  });
}

}  // namespace

std::string_view installed_daemon() { return GPUCTLD; }

std::string path_of(RuleFile file) {
  switch (file) {
    case RuleFile::boot:
      return "etc/udev/rules.d/61-gpuctl-boot.rules";
    case RuleFile::last:
      return "etc/udev/rules.d/61-gpuctl-last.rules";
    case RuleFile::trial:
      break;
  }
  return "etc/udev/rules.d/61-gpuctl-trial.rules";
}

std::string boot_rules(const BootPolicies& policies, RuleFile file) {
  std::string rules;
  for (const auto& policy : policies) {
    if (!belongs(policy, file)) continue;
    rules += unless_boot_display(policy);
    for (const auto& function : policy.functions) rules += rule(function);
  }
  return rules.empty() ? "" : begin_of(file) + rules + tail;
}

std::string initramfs_tool(const RootDir& root) {
  if (root.exists("run/ostree-booted")) return {};  // its initramfs belongs to the image
  if (by_sdbootutil(root)) return by_dracut;  // what dracut itself writes below /boot nobody starts there
  if (installed(root, "dracut") && !by_initramfs_tools(root) && !installed(root, "mkinitcpio"))
    return names_images_itself(root) ? "" : "dracut";
  for (const auto* tool : {"update-initramfs", "mkinitcpio"})
    if (installed(root, tool)) return tool;
  return {};
}

bool for_initramfs(const RootDir& root, const BootPolicy& policy) {
  return wants_initramfs(policy) && !initramfs_tool(root).empty();
}

bool in_initramfs(const RootDir& root, const BootPolicy& policy, const BootPolicies& all) {
  return for_initramfs(root, policy) && boot_files_request(root, all) == ApplyRequest{};
}

std::string initramfs_obstacle(const RootDir& root, const BootPolicy& policy) {
  if (!wants_initramfs(policy)) return {};
  const auto tool = initramfs_tool(root);
  if (tool.empty())
    return "the host's driver has it first: the initramfs of this system is not gpuctl's to make, so the GPU "
           "is moved before the display manager starts";
  return tool == "mkinitcpio" ? mkinitcpio_obstacle(root, policy) : "";
}

ApplyRequest boot_files_request(const RootDir& root, const BootPolicies& policies) {
  ApplyRequest request;
  edit(request, root, path_of(RuleFile::boot), boot_rules(policies, RuleFile::boot));
  const bool rules_changed = !request.edits.empty();
  for (const auto file : {RuleFile::last, RuleFile::trial})
    edit(request, root, path_of(file), boot_rules(policies, file));
  const auto tool = initramfs_tool(root);
  const bool wanted = std::ranges::any_of(policies, wants_initramfs);
  for (const auto& file : initramfs_files) {
    const bool of_this_tool = file.tool == (tool == by_dracut ? "dracut" : tool);
    const bool needed = wanted && of_this_tool, there = root.exists(file.path);  // perhaps of an earlier tool
    if (needed || there) edit(request, root, file.path, needed ? file.text : "", file.executable);
    if (of_this_tool && (wanted || there) && (rules_changed || wanted != there))
      request.tools.push_back({tool, {}});
  }
  return request;
}

}  // namespace gpuctl
