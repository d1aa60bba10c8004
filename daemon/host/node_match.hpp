// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "host/device_nodes.hpp"

namespace gpuctl {

/// Answers, for one open file or mapping, whether it leads to the GPU. Made once for a scan; each question is
/// cheap.
class NodeMatch {
 public:
  struct Hit {
    const DeviceNode* node{};
    std::string path;
  };

  NodeMatch(const RootDir& root, const GpuNodes& nodes);

  const DeviceNode* by_number(unsigned major, unsigned minor, bool block) const;
  /// A device path, also one that ends in " (deleted)" or lies in another root directory, or a file below a
  /// function.
  std::optional<Hit> by_path(std::string_view path) const;
  /// "drm-pdev:" (Documentation/gpu/drm-usage-stats.rst) or "vfio-device-syspath:" that names one of the
  /// functions.
  std::optional<Hit> by_fdinfo(std::string_view text) const;
  /// The path column of those lines of a maps file that may be device files.
  std::vector<std::string_view> device_paths(std::string_view maps) const;

  static bool is_drm(unsigned major) { return major == 226; }
  /// Whether a node whose number is not known may have this major: not those of memory and terminals, which
  /// most open files are (Documentation/admin-guide/devices.txt).
  bool may_be_unnumbered(unsigned major) const {
    const bool fixed = major == 1 || major == 4 || major == 5 || (major >= 136 && major <= 143);
    return has_unnumbered_ && !fixed;
  }
  bool may_be_attribute(const struct statx& is) const {
    return S_ISREG(is.stx_mode) && is.stx_dev_major == sysfs_major_ && is.stx_dev_minor == sysfs_minor_;
  }
  /// Anonymous inodes have no file type.
  bool may_be_vfio_device(const struct statx& is) const { return has_vfio_ && (is.stx_mode & S_IFMT) == 0; }

 private:
  std::vector<DeviceNode> nodes_;
  std::vector<DeviceNode> sysfs_;   ///< one for each function, path = its directory
  std::vector<DeviceNode> fdinfo_;  ///< what a file that only its fdinfo knows stands for
  std::bitset<512> majors_;
  bool has_vfio_{}, has_unnumbered_{};
  unsigned sysfs_major_{}, sysfs_minor_{};
};

}  // namespace gpuctl
