// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/gpu_grouping.hpp"

#include <algorithm>
#include <optional>
#include <set>

namespace gpuctl {
namespace {

bool is_card_function(const PciFunction& function) {
  return !function.physical_function && (is_display(function.id) || is_companion(function.id));
}

/// A tie to a bridge is about power or tunnels (a port and its Thunderbolt controller), and another display
/// function is another GPU; neither travels with this one.
bool may_be_tied(const PciFunction& function) { return !function.bridge && !is_display(function.id); }

std::optional<PciAddress> parent_of(std::optional<PciAddress> address, const PciFunctions& functions) {
  const auto function = address ? functions.find(*address) : functions.end();
  return function == functions.end() ? std::nullopt : function->second.parent;
}

bool is_tied(const PciFunction& display, const PciFunction& other, const PciFunctions& functions) {
  const bool beside = other.address.slot() == display.address.slot();
  return may_be_tied(other) && (beside || are_one_card(display.address, other.address, functions));
}

std::set<PciAddress> members(const PciFunctions& functions, const PciFunction& display) {
  std::set<PciAddress> found{display.address};
  const auto [first, last] = functions_in(functions, display.address.slot());
  for (auto it = first; it != last; ++it)
    if (is_card_function(it->second)) found.insert(it->first);
  for (const auto other : display.linked)
    if (const auto it = functions.find(other);
        it != functions.end() && is_tied(display, it->second, functions))
      found.insert(other);
  return found;
}

}  // namespace

std::map<PciSlot, Gpu> gpus_among(const PciFunctions& functions) {
  std::map<PciSlot, Gpu> gpus;
  for (const auto& [address, function] : functions) {
    if (!is_display(function.id) || function.physical_function || gpus.contains(address.slot())) continue;
    const auto all = members(functions, function);
    gpus.emplace(address.slot(), Gpu{.address = address, .functions = {all.begin(), all.end()}});
  }
  return gpus;
}

bool are_one_card(PciAddress one, PciAddress other, const PciFunctions& functions) {
  const auto card = parent_of(parent_of(one, functions), functions);
  return card && card == parent_of(parent_of(other, functions), functions);
}

}  // namespace gpuctl
