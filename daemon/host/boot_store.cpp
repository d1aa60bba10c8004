// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/boot_store.hpp"

#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "core/error.hpp"
#include "host/boot_rules.hpp"
#include "host/file_edit.hpp"
#include "host/migration.hpp"
#include "os/replace_file.hpp"

namespace gpuctl {
namespace {

/// A trial nobody can tell about ends here as well.
BootPolicies policies_or_none(const RootDir& root, const BootStore& store) try {
  return store.load();
} catch (const Error& error) {
  write_rules(root, {});
  store.set_aside();
  throw Error(
      error.code(),
      fmt::format("{}; the file was set aside as boot-policy.json.damaged and its udev rules are gone: "
                  "see `gpuctl list`, and set what you want with `gpuctl boot set`",
                  error.what()));
}

/// A file that cannot be written does not hold up the boot; apply_boot_policy() tells about it.
void write_if_possible(const RootDir& root, const FileEdit& edit) try {
  write_edits(root.path(), {edit});
} catch (const Error&) {
}

void give_back_lines(const RootDir& root, BootPolicy& policy) {
  if (policy.migrated.empty()) return;
  for (const auto& edit : give_back(root, policy.migrated)) write_if_possible(root, edit);
  policy.migrated = still_migrated(root, policy.migrated);
  policy.initramfs_behind = true;
}

}  // namespace

BootPolicies BootStore::load() const {
  std::ifstream in{path_, std::ios::binary};
  if (!in) return {};
  return boot_policies(std::string{std::istreambuf_iterator<char>(in), {}});
}

void BootStore::save(const BootPolicies& policies) const {
  if (policies.empty()) return remove_file(path_);
  replace_file(path_, to_json(policies), 0600);
}

void BootStore::set_aside() const {
  std::error_code ignored;
  std::filesystem::rename(path_, path_.string() + ".damaged", ignored);
}

std::string read_boot_id(const RootDir& root) { return root.text("proc/sys/kernel/random/boot_id"); }

/// Only rules, never the initramfs: nothing is run here.
void write_rules(const RootDir& root, const BootPolicies& policies) {
  for (const auto file : rule_files) {
    const auto text = boot_rules(policies, file);
    const auto path = path_of(file);
    if (read_exactly(root, path).value_or("") == text) continue;
    if (text.empty())
      remove_file(root.path() / path);
    else
      replace_file(root.path() / path, text);
  }
}

void begin_boot(const RootDir& root, const std::filesystem::path& state) {
  const BootStore store{state};
  const auto before = policies_or_none(root, store);
  auto now = at_boot(before, KernelCommandLine{root.text("proc/cmdline")}, read_boot_id(root));
  // First the rules: if the machine stops between the two, the next boot is without them, which is the safe
  // side.
  write_rules(root, now);
  for (auto policy = now.rbegin(); policy != now.rend(); ++policy)
    if (policy->state == PolicyState::reverted) give_back_lines(root, *policy);
  if (now != before) store.save(now);
}

void end_boot(const RootDir& root, const std::filesystem::path& state, const Snapshot& snapshot) {
  const BootStore store{state};
  const auto before = store.load();
  const auto now = at_shutdown(before, snapshot);
  if (now == before) return;
  store.save(now);
  write_rules(root, now);
}

}  // namespace gpuctl
