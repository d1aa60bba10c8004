// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/process_owner.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <sstream>
#include <vector>

#include <fmt/format.h>

#include "core/quoted.hpp"

namespace gpuctl {
namespace {

constexpr std::size_t max_command = 4096;

std::string_view between(std::string_view text, std::string_view prefix, std::string_view suffix) {
  if (text.size() < prefix.size() + suffix.size() || !text.starts_with(prefix) || !text.ends_with(suffix))
    return {};
  return text.substr(prefix.size(), text.size() - prefix.size() - suffix.size());
}

bool is_unit(std::string_view component) {
  return component.ends_with(".service") || component.ends_with(".scope");
}

bool is_container_id(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Path of the process in systemd's hierarchy: "0::" alone, or "name=systemd" beside it on older set-ups.
std::string systemd_path(std::string_view cgroup) {
  std::istringstream lines{std::string{cgroup}};
  std::string path;
  for (std::string line; std::getline(lines, line);) {
    if (const auto named = line.find(":name=systemd:"); named != std::string::npos)
      return line.substr(named + 14);
    if (line.starts_with("0::")) path = line.substr(3);
  }
  return path;
}

std::vector<std::string> components(const std::string& path) {
  std::vector<std::string> parts;
  std::istringstream words{path};
  for (std::string part; std::getline(words, part, '/');)
    if (!part.empty())
      parts.push_back(part.starts_with('_') ? part.substr(1) : part);  // cgroup names with a clash
  return parts;
}

struct Engine {
  std::string_view prefix, suffix, name;
};
constexpr std::array engines{
    Engine{"docker-", ".scope", "docker"},
    Engine{"libpod-", ".scope", "podman"},
    Engine{"crio-", ".scope", "cri-o"},
    Engine{"cri-containerd-", ".scope", "kubernetes"},
    Engine{"containerd-", ".scope", "containerd"},
    Engine{"nerdctl-", ".scope", "nerdctl"},
};

std::string container_of(const std::vector<std::string>& parts) {
  std::string_view parent;
  for (const auto& part : parts) {
    for (const auto& engine : engines)
      if (const auto id = between(part, engine.prefix, engine.suffix); is_container_id(id))
        return fmt::format("{} {}", engine.name, id.substr(0, 12));
    if (is_container_id(part) && !parent.empty()) return fmt::format("{} {}", parent, part.substr(0, 12));
    if (const auto name = between(part, "lxc.payload.", ""); !name.empty())
      return fmt::format("lxc {}", name);
    if (parent == "lxc") return "lxc " + part;
    parent = part;
  }
  return {};
}

std::string machine_of(std::string_view part) {
  for (const auto& [prefix, suffix] :
       {std::pair{"machine-", ".scope"}, std::pair{"systemd-nspawn@", ".service"}})
    if (const auto name = between(part, prefix, suffix); !name.empty()) return unescape_unit(name);
  return unescape_unit(between(part, "", ".libvirt-qemu"));
}

std::optional<std::string> status_field(const std::string& status, const std::string& key) {
  const auto at = ("\n" + status).find("\n" + key + ":");
  if (at == std::string::npos) return std::nullopt;
  const auto begin = status.find_first_not_of(" \t", at + key.size() + 1);
  return status.substr(begin, status.find_first_of("\t\n", begin) - begin);
}

std::string command_line(const RootDir& root, const std::string& directory) {
  auto text = root.read(directory + "/cmdline", max_command).value_or("");
  while (text.ends_with('\0')) text.pop_back();
  std::ranges::replace(text, '\0', ' ');
  return escaped(text);
}

}  // namespace

std::string unescape_unit(std::string_view name) {
  std::string plain;
  for (std::size_t i = 0; i < name.size(); ++i) {
    unsigned char byte{};
    const auto hex = name.substr(i, 4);
    const bool escape = hex.size() == 4 && hex.starts_with("\\x") &&
                        std::from_chars(hex.data() + 2, hex.data() + 4, byte, 16).ptr == hex.data() + 4;
    plain += escape ? static_cast<char>(byte) : name[i];
    if (escape) i += 3;
  }
  return plain;
}

ProcessOwner owner_of(std::string_view cgroup) {
  ProcessOwner owner;
  const auto parts = components(systemd_path(cgroup));
  for (const auto& part : parts) {
    if (owner.machine.empty()) owner.machine = machine_of(part);
    if (!is_unit(part)) continue;
    if (owner.unit.empty())
      owner.unit = part;
    else if (owner.unit.starts_with("user@") && owner.user_unit.empty())
      owner.user_unit = part;
  }
  owner.session = between(owner.unit, "session-", ".scope");
  owner.container = container_of(parts);
  // Who has a subtree of its own may call its groups what it likes.
  for (auto* name : {&owner.unit, &owner.user_unit, &owner.session, &owner.machine, &owner.container})
    *name = escaped(*name);
  return owner;
}

ProcessInfo process_info(const RootDir& root, pid_t pid) {
  const auto directory = "proc/" + std::to_string(pid);
  ProcessInfo info;
  info.comm = escaped(root.text(directory + "/comm"));
  info.command = command_line(root, directory);
  info.owner = owner_of(root.text(directory + "/cgroup"));
  const auto uid = status_field(root.text(directory + "/status"), "Uid").value_or("0");
  std::from_chars(uid.data(), uid.data() + uid.size(), info.uid);
  return info;
}

}  // namespace gpuctl
