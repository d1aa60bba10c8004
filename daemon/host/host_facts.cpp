// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/host_facts.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "host/text.hpp"

namespace gpuctl {
namespace {

CpuVendor read_cpu_vendor(const RootDir& root) {
  for (const auto& line : lines(root.text("proc/cpuinfo"))) {
    if (!line.starts_with("vendor_id")) continue;
    if (line.ends_with("GenuineIntel")) return CpuVendor::intel;
    return line.ends_with("AuthenticAMD") || line.ends_with("HygonGenuine") ? CpuVendor::amd
                                                                            : CpuVendor::other;
  }
  return CpuVendor::other;
}

/// The list is long (some 40 KiB), so it is read with room. Files may be named with - or _ for the same
/// module.
bool is_built_in(const RootDir& root, const std::string& modules, std::string_view module) {
  const auto list = root.read(modules + "/modules.builtin", 1U << 20U).value_or("");
  return with_underscores(list).find(fmt::format("/{}.ko", module)) != std::string::npos;
}

bool is_module_file(const std::string& name, std::string_view module) {
  return with_underscores(name.substr(0, name.find(".ko"))) == module;
}

bool blocks(const std::string& line, std::string_view module) {
  const auto parts = words(line);
  if (parts.size() < 2 || with_underscores(parts[1]) != module) return false;
  if (parts[0] == "blacklist") return true;
  return parts[0] == "install" && parts.size() > 2 &&
         (parts[2].ends_with("/false") || parts[2].ends_with("/true"));
}

}  // namespace

HostFacts::HostFacts(const RootDir& host_root, const Snapshot& host_snapshot, Caller who)
    : root(host_root),
      snapshot(host_snapshot),
      caller(std::move(who)),
      distribution(read_distribution(root)),
      command_line(root.text("proc/cmdline")),
      cpu(read_cpu_vendor(root)),
      kernel(root.text("proc/sys/kernel/osrelease")) {}

std::string HostFacts::program(std::string_view name) const {
  for (const auto* directory : {"usr/bin", "usr/sbin", "bin", "sbin", "usr/libexec", "usr/local/bin",
                                "usr/local/sbin", "run/current-system/sw/bin"})
    if (auto path = fmt::format("{}/{}", directory, name); root.exists(path)) return path;
  return {};
}

std::string HostFacts::first_program(std::initializer_list<std::string_view> names) const {
  for (const auto name : names)
    if (auto path = program(name); !path.empty()) return path;
  return {};
}

ModuleState HostFacts::module_state(std::string_view module, std::string_view directory) const {
  const auto name = with_underscores(module);
  const auto sysfs = "sys/module/" + name;
  if (root.exists(sysfs + "/initstate")) return ModuleState::loaded;
  // The first is where gpuctld.service shows the modules that its sandbox hides.
  for (const auto* prefix : {"run/gpuctl/modules/", "usr/lib/modules/", "lib/modules/"}) {
    const auto modules = prefix + kernel;
    if (kernel.empty() || root.list(modules).empty()) continue;
    if (is_built_in(root, modules, name)) return ModuleState::built_in;
    const auto files = root.list(fmt::format("{}/kernel/{}", modules, directory));
    const bool found =
        std::ranges::any_of(files, [&](const auto& file) { return is_module_file(file, name); });
    return found ? ModuleState::available : ModuleState::missing;
  }
  return root.exists(sysfs) ? ModuleState::built_in : ModuleState::unknown;
}

std::string HostFacts::into_firmware_setup() const {
  // logind asks UEFI for it; a legacy BIOS has nobody to ask.
  return fmt::format("reboot into the firmware setup ({})",
                     root.exists("sys/firmware/efi") ? "`systemctl reboot --firmware-setup`"
                                                     : "Del, F2 or what the screen says at power-on");
}

bool HostFacts::unit_enabled(std::string_view unit) const {
  for (const auto* base : {"etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"})
    for (const auto& entry : root.list(base)) {
      const bool wants =
          entry.ends_with(".wants") || entry.ends_with(".requires") || entry.ends_with(".upholds");
      if (wants && root.link(fmt::format("{}/{}/{}", base, entry, unit))) return true;
    }
  return false;
}

std::vector<ConfigLine> find_lines(const RootDir& root, std::initializer_list<std::string_view> directories,
                                   std::string_view suffix, std::string_view needle) {
  std::vector<ConfigLine> found;
  std::set<std::string> seen;
  for (const auto directory : directories)
    for (const auto& name : root.list(std::string(directory))) {
      if (!name.ends_with(suffix) || !seen.insert(name).second) continue;
      const auto path = fmt::format("{}/{}", directory, name);
      for (const auto& line : lines(root.text(path)))
        if (!trimmed(line).starts_with('#') && line.find(needle) != std::string::npos)
          found.push_back({path, std::string(trimmed(line))});
    }
  return found;
}

std::vector<ConfigLine> modprobe_lines(const RootDir& root, std::string_view needle) {
  return find_lines(root,
                    {"etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d",
                     "lib/modprobe.d"},
                    ".conf", needle);
}

std::vector<ConfigLine> blocking_lines(const RootDir& root, std::string_view module) {
  auto found = modprobe_lines(root, module.substr(0, module.find('_')));
  std::erase_if(found, [&](const auto& line) { return !blocks(line.text, with_underscores(module)); });
  return found;
}

std::vector<ConfigLine> udev_lines(const RootDir& root, std::string_view needle) {
  return find_lines(root,
                    {"etc/udev/rules.d", "run/udev/rules.d", "usr/local/lib/udev/rules.d",
                     "usr/lib/udev/rules.d", "lib/udev/rules.d"},
                    ".rules", needle);
}

}  // namespace gpuctl
