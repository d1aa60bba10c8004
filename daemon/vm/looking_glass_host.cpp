// SPDX-License-Identifier: GPL-2.0-or-later
#include <sys/xattr.h>

#include <array>
#include <charconv>

#include "vm/config_text.hpp"
#include "vm/looking_glass.hpp"
#include "vm/qemu_apparmor.hpp"

namespace gpuctl {
namespace {

std::optional<unsigned> number(const std::string& text) {
  unsigned value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end != text.data() ? std::optional{value} : std::nullopt;
}

void read_user(const RootDir& root, unsigned uid, LookingGlassHost& host) {
  for (const auto& line : fields(root.read("etc/passwd", 1 << 20).value_or(""), '\n')) {
    const auto entry = fields(line, ':');
    if (entry.size() < 4 || number(entry.at(2)) != uid) continue;
    host.user = entry.at(0);
    if (const auto gid = number(entry.at(3))) host.groups.push_back(*gid);
  }
  if (host.user.empty()) return;
  for (const auto& line : fields(root.read("etc/group", 1 << 20).value_or(""), '\n')) {
    const auto entry = fields(line, ':');
    if (entry.size() < 4) continue;
    for (const auto& member : fields(entry.at(3), ','))
      if (const auto gid = number(entry.at(2)); gid && member == host.user) host.groups.push_back(*gid);
  }
}

/// A list that spans lines: from its name to the closing bracket, comments left out.
std::string list_setting(const std::string& text, const std::string& name) {
  std::string found;
  bool inside = false;
  for (const auto& line : settings(text)) {
    inside = inside || line.starts_with(name);
    if (inside) found += line;
    if (inside && line.find(']') != std::string::npos) break;
  }
  return found;
}

std::optional<std::uint64_t> static_size(const RootDir& root) {
  std::optional<std::uint64_t> found;
  for (const std::string dir : {"usr/lib/modprobe.d", "run/modprobe.d", "etc/modprobe.d"})
    for (const auto& file : root.list(dir))
      for (const auto& line : settings(root.text(dir + "/" + file))) {
        constexpr std::string_view key = "static_size_mb=";
        const auto at = line.find(key);
        if (!line.starts_with("options") || line.find("kvmfr") == std::string::npos ||
            at == std::string::npos)
          continue;
        if (const auto size = number(line.substr(at + key.size()))) found = *size;
      }
  return found;
}

bool makes_shm_file(const RootDir& root) {
  for (const std::string dir : {"usr/lib/tmpfiles.d", "run/tmpfiles.d", "etc/tmpfiles.d"})
    for (const auto& file : root.list(dir))
      for (const auto& line : settings(root.text(dir + "/" + file)))
        if (line.find(looking_glass_file) != std::string::npos) return true;
  return false;
}

bool cgroup_lets_kvmfr(const RootDir& root) {
  const auto conf = root.text("etc/libvirt/qemu.conf");
  if (list_setting(conf, "cgroup_device_acl").find(kvmfr_device) != std::string::npos) return true;
  const auto controllers = list_setting(conf, "cgroup_controllers");
  return !controllers.empty() && controllers.find("devices") == std::string::npos;
}

/// By its label: gpuctl's package for Fedora names it to SELinux.
bool is_made_for_qemu(const RootDir& root) {
  std::array<char, 256> label{};
  const auto path = root.path().string() + looking_glass_file;
  const auto size = ::lgetxattr(path.c_str(), "security.selinux", label.data(), label.size());
  return size > 0 && std::string_view{label.data(), static_cast<std::size_t>(size)}.find(":svirt_tmpfs_t:") !=
                         std::string_view::npos;
}

}  // namespace

LookingGlassHost read_looking_glass_host(const RootDir& root, unsigned uid) {
  LookingGlassHost host;
  host.shm = host_file(root, looking_glass_file);
  host.kvmfr = host_file(root, kvmfr_device);
  host.kvmfr_loaded = root.exists("sys/module/kvmfr");
  host.kvmfr_mib = static_size(root);
  host.tmpfiles = makes_shm_file(root);
  host.kvmfr_in_cgroup = cgroup_lets_kvmfr(root);
  const auto apparmor = read_qemu_apparmor(root);
  host.kvmfr_in_apparmor = apparmor.allows(kvmfr_device, 'w');
  host.apparmor_place = apparmor.place;
  host.client =
      root.exists("usr/bin/looking-glass-client") || root.exists("usr/local/bin/looking-glass-client");
  host.selinux = root.text("sys/fs/selinux/enforce") == "1" && !is_made_for_qemu(root);
  read_user(root, uid, host);
  return host;
}

}  // namespace gpuctl
