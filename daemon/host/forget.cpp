// SPDX-License-Identifier: GPL-2.0-or-later
// The package goes, and with it everybody who could take back what gpuctl has set for the boot.
#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "core/error.hpp"
#include "host/attempts.hpp"
#include "host/boot_rules.hpp"
#include "host/boot_store.hpp"
#include "host/host_service.hpp"
#include "host/migration.hpp"

namespace gpuctl {
namespace {

FileEdits migrated_of(const BootPolicies& policies) {
  FileEdits all;
  for (const auto& policy : policies) std::ranges::copy(policy.migrated, std::back_inserter(all));
  return all;
}

}  // namespace

/// Nothing is put back for a tool that fails, nor is the rest left undone.
void HostService::forget() {
  BootPolicies policies;
  Attempts attempt;
  attempt([&] { policies = boot_policies(); });
  const auto lines = give_back(root_, migrated_of(policies));
  const auto tools = files_request(policies, {}, lines).tools;
  attempt([&] { carry_out({boot_files_request(root_, {}).edits, {}}); });
  attempt([&] { carry_out({lines, {}}); });
  attempt([&] { BootStore{paths_.state}.save({}); });
  attempt([&] { renew_initramfs(tools); });
  attempt([&] { arguments_.forget(); });
  attempt.tell();
}

void HostService::renew_initramfs(const std::vector<ToolRun>& tools) try {
  carry_out({{}, tools});
} catch (const Error& e) {
  throw Error(e.code(),
              fmt::format("{}: the initramfs still has what gpuctl put into it, until `sudo {}` makes it "
                          "anew",
                          e.what(), command_text(tools.front())));
}

}  // namespace gpuctl
