// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/node_mode.hpp"
#include "os/root_dir.hpp"
#include "os/unique_fd.hpp"

namespace gpuctl {

/// Who may open device files. Never looks at a node's contents, and so never wakes its driver.
class NodeControl {
 public:
  virtual ~NodeControl() = default;
  /// The minors N for which a file `prefix`N is there, as "/dev/nvidia": 0 for /dev/nvidia0.
  virtual std::vector<unsigned> minors(const std::string& prefix) const = 0;
  /// Permission bits now; nothing if there is no device file of that number.
  virtual std::optional<unsigned> mode(const NodeMode& node) const = 0;
  /// Sets `to` where the bits are `from`; false where they are not, or the node has gone. Throws
  /// Error(kernel_refused) naming path and errno.
  virtual bool change(const NodeMode& node, unsigned from, unsigned to) = 0;
};

/// The nodes as the first process has them: gpuctld's own /dev is a private one without them
/// (PrivateDevices=). A path counts only if the file at its end is the device that it should be: never a
/// link, never another number.
class DevNodeControl : public NodeControl {
 public:
  explicit DevNodeControl(const RootDir& root) : root_(root) {}
  std::vector<unsigned> minors(const std::string& prefix) const override;
  std::optional<unsigned> mode(const NodeMode& node) const override;
  bool change(const NodeMode& node, unsigned from, unsigned to) override;

 private:
  struct Found {
    UniqueFd file;  ///< O_PATH: what is opened is the name, not the device
    unsigned mode{};
  };
  std::optional<Found> find(const NodeMode& node) const;
  const RootDir& root_;
};

}  // namespace gpuctl
