// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/node_control.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/whole_number.hpp"

namespace gpuctl {
namespace {

constexpr auto first_process_root = "proc/1/root";
constexpr mode_t permission_bits = 07777;

}  // namespace

std::optional<DevNodeControl::Found> DevNodeControl::find(const NodeMode& node) const {
  const auto path = first_process_root + node.path;
  Found found{UniqueFd{::openat(root_.fd(), path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)}, 0};
  struct stat is {};
  if (!found.file || ::fstat(found.file.get(), &is) != 0) return std::nullopt;
  if (!S_ISCHR(is.st_mode) || is.st_rdev != makedev(node.major, node.minor)) return std::nullopt;
  found.mode = is.st_mode & permission_bits;
  return found;
}

std::vector<unsigned> DevNodeControl::minors(const std::string& prefix) const {
  const auto slash = prefix.rfind('/');
  const auto stem = prefix.substr(slash + 1);
  std::vector<unsigned> found;
  for (const auto& name : root_.list(first_process_root + prefix.substr(0, slash)))
    if (const auto minor =
            name.starts_with(stem) ? whole_number(std::string_view{name}.substr(stem.size())) : std::nullopt)
      found.push_back(*minor);
  std::ranges::sort(found);
  return found;
}

std::optional<unsigned> DevNodeControl::mode(const NodeMode& node) const {
  const auto found = find(node);
  return found ? std::optional{found->mode} : std::nullopt;
}

bool DevNodeControl::change(const NodeMode& node, unsigned from, unsigned to) {
  const auto found = find(node);
  if (!found || found->mode != from) return false;
  const auto name = fmt::format("/proc/self/fd/{}", found->file.get());
  if (::chmod(name.c_str(), to) == 0) return true;
  throw Error(ErrorCode::kernel_refused, fmt::format("{}: changing its mode to {:04o}: {} ({})", node.path,
                                                     to, std::strerror(errno), ::strerrorname_np(errno)));
}

}  // namespace gpuctl
