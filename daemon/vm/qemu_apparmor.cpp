// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/qemu_apparmor.hpp"

#include <fnmatch.h>

#include <algorithm>

#include <fmt/format.h>

#include "vm/config_text.hpp"

namespace gpuctl {
namespace {

constexpr std::string_view drop_ins = "abstractions/libvirt-qemu.d";
constexpr std::string_view local = "local/abstractions/libvirt-qemu";

std::string file(std::string_view name) { return fmt::format("etc/apparmor.d/{}", name); }

bool includes(const std::string& text, std::string_view name) {
  return std::ranges::any_of(fields(text, '\n'), [&](const auto& line) {
    return line.find("include") != std::string::npos && line.find(name) != std::string::npos;
  });
}

void add_rules(const std::string& text, std::vector<std::string>& rules) {
  for (const auto& line : settings(text))
    if (line.starts_with('/') || line.starts_with("\"/")) rules.push_back(line);
}

/// The last one that is set counts.
bool libvirt_confines(const RootDir& root) {
  bool confines = true;
  for (const auto& line : settings(root.text("etc/libvirt/qemu.conf")))
    if (line.starts_with("security_driver")) confines = line.find("none") == std::string::npos;
  return confines;
}

/// "path access," with or without quotes around the path.
bool rule_allows(std::string rule, const std::string& path, char access) {
  std::erase(rule, '"');
  const auto space = rule.find_first_of(" \t");
  if (space == std::string::npos || rule.find(access, space) == std::string::npos) return false;
  const auto pattern = rule.substr(0, space);
  const bool below = pattern.find("**") != std::string::npos;
  return ::fnmatch(pattern.c_str(), path.c_str(), below ? 0 : FNM_PATHNAME) == 0;
}

}  // namespace

bool QemuAppArmor::allows(const std::string& path, char access) const {
  return !confines ||
         std::ranges::any_of(rules, [&](const auto& rule) { return rule_allows(rule, path, access); });
}

QemuAppArmor read_qemu_apparmor(const RootDir& root) {
  QemuAppArmor found;
  found.confines =
      root.text("sys/module/apparmor/parameters/enabled").starts_with("Y") && libvirt_confines(root);
  const auto shipped = root.text(file("abstractions/libvirt-qemu"));
  const bool has_drop_ins = includes(shipped, drop_ins);
  found.place = has_drop_ins ? fmt::format("/{}/local", file(drop_ins)) : "/" + file(local);
  add_rules(shipped, found.rules);
  add_rules(root.text(file(local)), found.rules);
  if (has_drop_ins)
    for (const auto& name : root.list(file(drop_ins)))
      add_rules(root.text(fmt::format("{}/{}", file(drop_ins), name)), found.rules);
  return found;
}

}  // namespace gpuctl
