// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/old_setup.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/host_facts.hpp"
#include "host/text.hpp"

namespace gpuctl {
namespace {

std::vector<std::string> short_ids(const std::vector<std::string>& all) {
  std::vector<std::string> ids;
  std::ranges::transform(all, std::back_inserter(ids), short_id);
  return ids;
}

std::vector<std::string> ids_of_options(const std::string& line) {
  for (const auto& word : words(line))
    if (word.starts_with("ids=")) return short_ids(split(word.substr(4), ','));
  return {};
}

void modprobe_files(const RootDir& root, std::vector<OldSetup>& found) {
  for (const auto& [path, text] : modprobe_lines(root, "vfio")) {
    const auto parts = words(text);
    if (parts.size() < 3) continue;
    if (parts[0] == "options" && with_underscores(parts[1]) == "vfio_pci" && !ids_of_options(text).empty())
      found.push_back({OldSetup::Kind::modprobe_options, path, text, ids_of_options(text)});
    if (parts[0] == "softdep" && text.find("pre:") != std::string::npos)
      found.push_back({OldSetup::Kind::softdep, path, text, {}});
  }
}

void initramfs_scripts(const RootDir& root, std::vector<OldSetup>& found) {
  for (const std::string directory : {"etc/initramfs-tools/scripts/init-top", "etc/initcpio/hooks"})
    for (const auto& name : root.list(directory)) {
      const auto path = fmt::format("{}/{}", directory, name);
      for (const auto& line : lines(root.text(path)))
        if (line.find("driver_override") != std::string::npos) {
          found.push_back({OldSetup::Kind::initramfs_script, path, std::string(trimmed(line)), {}});
          break;
        }
    }
}

}  // namespace

std::string short_id(std::string_view id) {
  const auto parts = split(id, ':');
  if (parts.size() < 2) return std::string(id);
  auto text = parts[0] + ":" + parts[1];
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::vector<OldSetup> find_old_setups(const RootDir& root, const KernelCommandLine& command_line) {
  std::vector<OldSetup> found;
  modprobe_files(root, found);
  if (const auto ids = command_line.list("vfio-pci.ids"); !ids.empty())
    found.push_back({OldSetup::Kind::kernel_argument, "proc/cmdline",
                     fmt::format("vfio-pci.ids={}", command_line.value("vfio-pci.ids").value_or("")),
                     short_ids(ids)});
  for (const auto& name : root.list("etc/driverctl.d"))
    found.push_back(
        {OldSetup::Kind::driverctl, "etc/driverctl.d/" + name, root.text("etc/driverctl.d/" + name), {}});
  initramfs_scripts(root, found);
  return found;
}

bool names_only(const OldSetup& old, const Gpu& gpu, const Snapshot& snapshot) {
  return std::ranges::all_of(old.ids, [&](const auto& id) {
    return std::ranges::any_of(gpu.functions, [&](auto address) {
      const auto* f = snapshot.find(address);
      return f != nullptr && f->id.ids() == id;
    });
  });
}

std::vector<PciAddress> functions_with(const std::vector<std::string>& ids, const Snapshot& snapshot) {
  std::vector<PciAddress> found;
  for (const auto& [address, function] : snapshot.functions)
    if (std::ranges::find(ids, function.id.ids()) != ids.end()) found.push_back(address);
  return found;
}

}  // namespace gpuctl
