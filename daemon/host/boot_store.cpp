// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/boot_store.hpp"

#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "core/error.hpp"
#include "host/boot_rules.hpp"
#include "host/file_edit.hpp"
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
  const auto now = at_boot(before, KernelCommandLine{root.text("proc/cmdline")}, read_boot_id(root));
  // First the rules: if the machine stops between the two, the next boot is without them, which is the safe
  // side.
  write_rules(root, now);
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
