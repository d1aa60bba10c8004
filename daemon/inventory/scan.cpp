// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/scan.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "inventory/function_reader.hpp"
#include "inventory/gpu_grouping.hpp"
#include "inventory/group_reader.hpp"
#include "inventory/module_aliases.hpp"

namespace gpuctl {
namespace {

/// One scan at work: fills a snapshot step by step, taking from `before` what need not be read.
class Scanner {
 public:
  Scanner(const RootDir& root, const Lookups& lookups, const Snapshot& before, const ScanScope& scope)
      : root_(root), lookups_(lookups), before_(before), scope_(scope) {}

  Snapshot everything() {
    for (const auto& name : root_.list("sys/bus/pci/devices"))
      if (const auto address = PciAddress::parse(name)) read(*address);
    read_host();
    return finish();
  }

  Snapshot part() {
    now_ = before_;
    for (const auto address : with_their_cards()) read(address);
    if (scope_.host_facts) read_host();
    return finish();
  }

 private:
  struct Lookup {
    PciNames names;
    std::vector<std::string> modules;
  };

  /// A card's functions influence each other (power, links), and an event on one often means the others too.
  std::set<PciAddress> with_their_cards() const {
    auto all = scope_.functions;
    for (const auto address : scope_.functions)
      if (const auto* gpu = before_.gpu_of(address)) all.insert(gpu->functions.begin(), gpu->functions.end());
    return all;
  }

  void read_host() { now_.host = lookups_.host ? lookups_.host(root_) : before_.host; }

  Reading reading(PciAddress address) const {
    return scope_.in_transition.contains(address) ? Reading::without_waiting : Reading::all;
  }

  void read(PciAddress address) {
    touched_.insert(touched_.end(), address);
    now_.functions.erase(address);
    const auto* known = before_.find(address);
    auto function = read_function(root_, address, reading(address), known);
    if (!function) return;
    if (known != nullptr && known->id == function->id) keep(*known, *function);
    if (known == nullptr || known->id != function->id) look_up(*function);
    now_.functions.emplace_hint(now_.functions.end(), address, std::move(*function));
  }

  void keep(const PciFunction& known, PciFunction& function) const {
    function.names = known.names;
    function.modules = known.modules;
    if (lookups_.modules && has_new_driver(known, function)) look_up_modules(function);
    function.present = known.present;
    const bool unread = reading(function.address) == Reading::without_waiting || waits_for_remove(function);
    if (!unread) return;
    function.driver_override = known.driver_override;
    function.virtual_functions = known.virtual_functions;
  }

  /// It may have been installed since the function was first seen.
  static bool has_new_driver(const PciFunction& known, const PciFunction& function) {
    return function.driver != known.driver && !function.driver.empty() && !function.vfio;
  }

  /// None are found when they went with the running kernel's package.
  void look_up_modules(PciFunction& function) const {
    if (auto now = lookups_.modules(function.id); !now.empty()) function.modules = std::move(now);
  }

  static bool waits_for_remove(const PciFunction& function) {
    return function.driver.empty() && !function.uevent_driver.empty();
  }

  void look_up(PciFunction& function) {
    const auto [it, is_new] = looked_up_.try_emplace(modalias(function.id));
    if (is_new && lookups_.names) it->second.names = lookups_.names(function.id);
    if (is_new && lookups_.modules) it->second.modules = lookups_.modules(function.id);
    function.names = it->second.names;
    function.modules = it->second.modules;
  }

  /// Details for the slots of display functions first, since links found there may tie more functions to the
  /// card.
  Snapshot finish() {
    std::set<PciAddress> detailed;
    for (const auto& [address, function] : now_.functions)
      if (is_display(function.id)) read_slot_details(address.slot(), detailed);
    now_.gpus = gpus_among(now_.functions);
    for (const auto& [slot, gpu] : now_.gpus)
      for (const auto address : gpu.functions) read_details(address, detailed);
    fill_groups();
    return std::move(now_);
  }

  void read_slot_details(PciSlot slot, std::set<PciAddress>& detailed) {
    const auto [first, last] = functions_in(now_.functions, slot);
    for (auto it = first; it != last; ++it) read_details(it->first, detailed);
  }

  void read_details(PciAddress address, std::set<PciAddress>& detailed) {
    const bool unchanged = !touched_.contains(address) && before_.gpu_of(address) != nullptr;
    if (unchanged || !detailed.insert(address).second) return;
    auto& function = now_.functions.at(address);
    read_gpu_details(root_, function, reading(address));
    keep_ties(function);
  }

  /// The link between an Arc card and its audio, in another slot, is the host drivers' (Linux:
  /// intel_audio_component_bind) and goes with them.
  void keep_ties(PciFunction& function) const {
    const auto* known = before_.find(function.address);
    if (known == nullptr || known->id != function.id) return;
    for (const auto other : known->linked) {
      const bool is_new = std::ranges::find(function.linked, other) == function.linked.end();
      if (is_new && are_one_card(function.address, other, now_.functions) &&
          (is_away(function.address) || is_away(other)))
        function.linked.push_back(other);
    }
  }

  bool is_away(PciAddress address) const {
    const auto* function = now_.find(address);
    return function != nullptr && (function->vfio || function->driver.empty());
  }

  /// Members come from the functions' own links: one reading of the truth, and no directory to list.
  void fill_groups() {
    std::map<unsigned, std::vector<PciAddress>> members;
    std::set<unsigned> changed;
    for (const auto& [address, function] : now_.functions)
      if (function.iommu_group) members[*function.iommu_group].push_back(address);
    const auto with_gpu = groups_with_gpu();
    std::map<unsigned, IommuGroup> groups;
    for (auto& [number, functions] : members) {
      auto group = group_facts(number, functions, with_gpu.contains(number));
      group.functions = std::move(functions);
      groups.emplace_hint(groups.end(), number, std::move(group));
    }
    now_.groups = std::move(groups);
  }

  IommuGroup group_facts(unsigned number, const std::vector<PciAddress>& functions, bool has_gpu) const {
    const auto known = before_.groups.find(number);
    bool touched = known == before_.groups.end() || known->second.functions != functions;
    for (const auto address : functions) touched = touched || touched_.contains(address);
    return touched ? read_group(root_, number, has_gpu) : known->second;
  }

  std::set<unsigned> groups_with_gpu() const {
    std::set<unsigned> numbers;
    for (const auto& [slot, gpu] : now_.gpus)
      for (const auto address : gpu.functions)
        if (const auto group = now_.functions.at(address).iommu_group) numbers.insert(*group);
    return numbers;
  }

  const RootDir& root_;
  const Lookups& lookups_;
  const Snapshot& before_;
  const ScanScope& scope_;
  Snapshot now_;
  std::set<PciAddress> touched_;
  std::unordered_map<std::string, Lookup> looked_up_;  ///< by modalias; large machines repeat themselves
};

}  // namespace

Snapshot scan(const RootDir& root, const Lookups& lookups) { return rescan_all(root, lookups, {}, {}); }

Snapshot rescan_all(const RootDir& root, const Lookups& lookups, const Snapshot& before,
                    const ScanScope& scope) {
  return Scanner{root, lookups, before, scope}.everything();
}

Snapshot rescan(const RootDir& root, const Lookups& lookups, const Snapshot& before, const ScanScope& scope) {
  return Scanner{root, lookups, before, scope}.part();
}

std::optional<PciFunction> scan_function(const RootDir& root, const Lookups& lookups, PciAddress address) {
  auto function = read_function(root, address, Reading::all);
  if (!function) return function;
  if (lookups.names) function->names = lookups.names(function->id);
  if (lookups.modules) function->modules = lookups.modules(function->id);
  read_gpu_details(root, *function, Reading::all);
  return function;
}

}  // namespace gpuctl
