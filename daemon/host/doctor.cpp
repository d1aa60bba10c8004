// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/doctor.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/checks/checks.hpp"

namespace gpuctl {
namespace {

using Check = void (*)(const HostFacts&, Problems&);

/// Foundations first: each stands on those before it.
constexpr Check machine_checks[] = {
    checks::cpu,       checks::iommu,      checks::iommu_arguments, checks::kvm,          checks::vfio,
    checks::lockdown,  checks::firmware,   checks::libvirt,         checks::vm_software,  checks::vm_devices,
    checks::conflicts, checks::old_setups, checks::nvidia,          checks::looking_glass};

const Problem* first_blocker(const Problems& findings) {
  const auto it = std::ranges::find(findings, Severity::blocker, &Problem::severity);
  return it == findings.end() ? nullptr : &*it;
}

struct GpuFindings {
  std::vector<std::string> usable;
  Problems all;
  Problems blocking;  ///< of candidates only
};

GpuFindings look_at_gpus(const HostFacts& host) {
  GpuFindings result;
  for (const auto& [slot, gpu] : host.snapshot.gpus) {
    Problems own;
    checks::gpu(host, gpu, own);
    const bool stays = checks::stays_with_host(gpu, host.snapshot);
    if (!stays && !is_blocked(own)) result.usable.push_back(gpu.address.str());
    for (auto& finding : own) {
      if (stays && finding.severity == Severity::blocker) finding.severity = Severity::info;
      if (finding.severity == Severity::blocker) result.blocking.push_back(finding);
      result.all.push_back(std::move(finding));
    }
  }
  return result;
}

/// Nothing can go, and no GPU says why: it is hidden, all there are show the host's picture, or there is
/// none.
Problem no_candidate(const HostFacts& host) {
  if (auto hidden = checks::hidden_gpu(host)) return *hidden;
  const auto count = host.snapshot.gpus.size();
  if (count == 0)
    return {"gpu-candidate", Severity::blocker, "/sys/bus/pci/devices", "there is no GPU in this machine",
            "if it has one, look in the firmware setup whether it is switched off"};
  return {"gpu-candidate", Severity::blocker, "/sys/bus/pci/devices",
          count == 1 ? "the only GPU shows the host's picture: a VM would leave the host without a screen"
                     : "every GPU of this machine stays with the host",
          "add a second GPU, or let the host's screens hang off another one"};
}

Problem ready(const GpuFindings& gpus) {
  return {"ready", Severity::ok, "",
          fmt::format("ready: {} can be handed to a VM", fmt::join(gpus.usable, ", ")), "gpuctl attach"};
}

Problem not_ready(const Problem& first) {
  return {"ready", Severity::blocker, first.subject, fmt::format("not ready: {}", first.message),
          first.remedy};
}

}  // namespace

Problems diagnose(const RootDir& root, const Snapshot& snapshot, const Caller& caller) {
  const HostFacts host{root, snapshot, caller};
  Problems findings;
  for (const auto check : machine_checks) check(host, findings);
  const auto gpus = look_at_gpus(host);
  const bool candidates = !gpus.usable.empty() || !gpus.blocking.empty();
  const bool said = snapshot.host.gpu_mux_mode == 0;  // with the way out, by the check of the MUX
  if (!candidates && !said) findings.push_back(no_candidate(host));
  const auto* blocker = first_blocker(findings);
  if (blocker == nullptr && gpus.usable.empty()) blocker = first_blocker(gpus.blocking);
  const auto summary = blocker == nullptr ? ready(gpus) : not_ready(*blocker);
  std::ranges::copy(gpus.all, std::back_inserter(findings));
  findings.push_back(summary);
  return findings;
}

}  // namespace gpuctl
