// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/gpu_meant.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/shell_word.hpp"
#include "inventory/find_gpu.hpp"
#include "operations/assignments.hpp"

namespace gpuctl {
namespace {

using Given = std::map<PciSlot, Assignment>;

/// As lspci and people write it: the domain left out, of a slot or of one of its functions.
bool is_meant(PciSlot slot, const std::string& argument) {
  return std::ranges::any_of(std::array{"", "0000:"}, [&](const char* domain) {
    const auto address = PciAddress::parse(domain + argument);
    return PciSlot::parse(domain + argument) == slot || (address && address->slot() == slot);
  });
}

Given given_to_domains(const Platform& platform) {
  StateDir dir(platform.state_dir / "assignments");
  return Assignments(dir).all();
}

/// Unplugged, or switched off by the firmware. What has it is known still.
Error is_gone(const Assignment& assignment) {
  return {ErrorCode::not_found,
          fmt::format("{} is not there; {} was given it.\nRelease it when it is back, or take it out of the "
                      "definition: {} {}. Another GPU is released by its address.",
                      assignment.gpu.str(), assignment.vm_name,
                      assignment.lease_only ? "sudo virsh edit" : "gpuctl vm setup",
                      shell_word(assignment.vm_name))};
}

/// Of several at home without a definition none is meant.
const Gpu& at_home_to_release(const Snapshot& snapshot, Given given, const Error& none_away) {
  const auto gone = [&](const auto& entry) { return !snapshot.gpus.contains(entry.first); };
  if (!given.empty() && std::ranges::all_of(given, gone)) throw is_gone(given.begin()->second);
  std::erase_if(given, gone);
  if (given.size() == 1) return snapshot.gpus.at(given.begin()->first);
  try {
    return find_gpu(snapshot, "");
  } catch (const Error& error) {
    if (error.code() == ErrorCode::ambiguous_gpu && given.empty()) throw Error(none_away);
    throw;
  }
}

const Gpu& to_release(const Snapshot& snapshot, const Platform& platform) try {
  return find_gpu(snapshot, "", GpuChoice::away);
} catch (const Error& error) {
  if (error.code() != ErrorCode::not_found) throw;
  return at_home_to_release(snapshot, given_to_domains(platform), error);
}

const Gpu& named(const std::string& argument, const Snapshot& snapshot, const Platform& platform) try {
  return find_gpu(snapshot, argument);
} catch (const Error& error) {
  if (error.code() != ErrorCode::not_found) throw;
  for (const auto& [slot, assignment] : given_to_domains(platform))
    if (is_meant(slot, argument) && !snapshot.gpus.contains(slot)) throw is_gone(assignment);
  throw;
}

}  // namespace

std::string gpu_meant(const Request& request, const Snapshot& snapshot, const Platform& platform) {
  const bool any_away = request.verb == Verb::release && request.gpu.empty();
  const auto& gpu = any_away ? to_release(snapshot, platform) : named(request.gpu, snapshot, platform);
  return gpu.address.str();
}

}  // namespace gpuctl
