// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/node_match.hpp"

#include <fcntl.h>

#include <algorithm>

namespace gpuctl {
namespace {

constexpr std::string_view deleted = " (deleted)";

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// "/dev/dri/card1" fits itself and "/srv/root/dev/dri/card1"; the prefix of a run fits with a number after
/// it.
bool fits(const DeviceNode& node, std::string_view path) {
  const auto at = path.rfind(node.path);
  if (at == std::string_view::npos) return false;
  const auto rest = path.substr(at + node.path.size());
  if (!node.is_run()) return rest.empty();
  return is_number(rest) && rest.size() < 4 &&
         node.has_number(node.major, static_cast<unsigned>(std::stoi(std::string{rest})));
}

/// Value of "key:\tvalue" in a text of such lines.
std::string_view value_of(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos || (at != 0 && text[at - 1] != '\n')) return {};
  const auto begin = text.find_first_not_of(" \t", at + key.size());
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

NodeMatch::NodeMatch(const RootDir& root, const GpuNodes& nodes) : nodes_(nodes.nodes) {
  for (const auto& node : nodes_) {
    if (node.major < majors_.size()) majors_.set(node.major);
    has_vfio_ |= node.kind == NodeKind::vfio;
    has_unnumbered_ |= node.major == 0;
  }
  for (std::size_t i = 0; i < nodes.functions.size() && i < nodes.sysfs_dirs.size(); ++i) {
    const auto function = nodes.functions[i];
    sysfs_.push_back({nodes.sysfs_dirs[i] + "/", NodeKind::sysfs, function, 0, 0, 0, false});
    fdinfo_.push_back({"DRM device of " + function.str(), NodeKind::drm, function, 0, 0, 0, false});
    fdinfo_.push_back({"VFIO device of " + function.str(), NodeKind::vfio, function, 0, 0, 0, false});
  }
  struct statx sysfs {};
  if (::statx(root.fd(), "sys/bus/pci/devices", AT_STATX_DONT_SYNC, STATX_TYPE, &sysfs) == 0) {
    sysfs_major_ = sysfs.stx_dev_major;
    sysfs_minor_ = sysfs.stx_dev_minor;
  }
}

const DeviceNode* NodeMatch::by_number(unsigned major, unsigned minor, bool block) const {
  if (major < majors_.size() && !majors_.test(major)) return nullptr;
  const auto node = std::ranges::find_if(nodes_, [&](const DeviceNode& n) {
    return n.has_number(major, minor) && (n.kind == NodeKind::block) == block;
  });
  return node == nodes_.end() ? nullptr : &*node;
}

std::optional<NodeMatch::Hit> NodeMatch::by_path(std::string_view path) const {
  if (path.ends_with(deleted)) path.remove_suffix(deleted.size());
  for (const auto& node : sysfs_)
    if (path.starts_with(node.path)) return Hit{&node, std::string{path}};
  for (const auto& node : nodes_)
    if (fits(node, path)) return Hit{&node, std::string{path.substr(path.rfind("/dev/"))}};
  return std::nullopt;
}

std::optional<NodeMatch::Hit> NodeMatch::by_fdinfo(std::string_view text) const {
  const auto drm = value_of(text, "drm-pdev:");
  const auto vfio = value_of(text, "vfio-device-syspath:");
  for (const auto& node : fdinfo_) {
    const auto address = node.function.str();
    if (node.kind == NodeKind::drm ? drm == address : vfio.ends_with("/" + address))
      return Hit{&node, node.path};
  }
  return std::nullopt;
}

std::vector<std::string_view> NodeMatch::device_paths(std::string_view maps) const {
  std::vector<std::string_view> paths;
  for (const std::string_view root : {"/dev/", "/sys/devices/"})
    for (auto at = maps.find(root); at != std::string_view::npos; at = maps.find(root, at + 1)) {
      const auto end = std::min(maps.find('\n', at), maps.size());
      const auto line = maps.rfind('\n', at) == std::string_view::npos ? 0 : maps.rfind('\n', at) + 1;
      const auto begin = maps.find('/', line);
      const auto path = maps.substr(begin, end - begin);
      if (paths.empty() || paths.back() != path) paths.push_back(path);
      at = end - 1;
    }
  return paths;
}

}  // namespace gpuctl
