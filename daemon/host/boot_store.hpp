// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>

#include "host/boot_policy.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// boot-policy.json in the state directory.
class BootStore {
 public:
  explicit BootStore(const std::filesystem::path& state) : path_(state / "boot-policy.json") {}
  /// Empty if there is none. Throws Error(internal) if it cannot be understood.
  BootPolicies load() const;
  /// Durable when it returns. Throws Error(state_unwritable).
  void save(const BootPolicies& policies) const;
  /// Keeps what cannot be understood under another name, so that what is decided next counts.
  void set_aside() const;

 private:
  std::filesystem::path path_;
};

std::string read_boot_id(const RootDir& root);

/// The rule files as the policies want them.
void write_rules(const RootDir& root, const BootPolicies& policies);

/// gpuctl-boot.service, first thing: policies on trial become this boot's, and their rules go away, so that
/// the next boot is without them whatever happens from here on. Lines that a policy had put out of action
/// come back when it reverts; where that fails, the next boot tries again. Runs nothing, and so leaves the
/// initramfs as it is. Without policies that can be understood there are no rules; throws Error(internal)
/// then, when that is done.
void begin_boot(const RootDir& root, const std::filesystem::path& state);
/// gpuctl-boot.service when the system goes down: remembers where GPUs with policy "last" are.
void end_boot(const RootDir& root, const std::filesystem::path& state, const Snapshot& snapshot);

}  // namespace gpuctl
