// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/domain_demand.hpp"

#include <utility>

#include "vm/domain_xml.hpp"
#include "vm/hostdev.hpp"

namespace gpuctl {

namespace {

bool is_display_of(const Gpu& gpu, PciAddress address, const Snapshot& snapshot) {
  const auto* function = snapshot.find(address);
  return address == gpu.address || (function != nullptr && is_display(function->id));
}

/// Those of which the domain does not leave every function that it has to libvirt.
std::set<PciSlot> unmanaged_gpus(const std::string& xml, const Snapshot& snapshot) {
  std::set<PciSlot> unmanaged;
  for (const auto& hostdev : hostdevs(xml))
    if (const auto* gpu = snapshot.gpu_of(hostdev.function); gpu != nullptr && !hostdev.managed)
      unmanaged.insert(gpu->slot());
  return unmanaged;
}

}  // namespace

std::set<PciSlot> claimed_gpus(const std::vector<PciAddress>& claimed, const Snapshot& snapshot) {
  std::set<PciSlot> gpus;
  for (const auto address : claimed)
    if (const auto* gpu = snapshot.gpu_of(address); gpu != nullptr && is_display_of(*gpu, address, snapshot))
      gpus.insert(gpu->slot());
  return gpus;
}

std::set<PciAddress> going_along(const std::string& xml, const Snapshot& snapshot) {
  std::set<PciAddress> along;
  for (const auto& hostdev : hostdevs(xml))
    if (hostdev.managed) along.insert(hostdev.function);
  for (const auto slot : claimed_gpus(claimed_functions(xml), snapshot)) {
    const auto& functions = snapshot.gpus.at(slot).functions;
    along.insert(functions.begin(), functions.end());
  }
  return along;
}

DomainDemand domain_demand(const std::string& xml, const Snapshot& snapshot) {
  const auto document = parse_domain(xml);
  const auto domain = document.document_element();
  const auto gpus = claimed_gpus(claimed_functions(xml), snapshot);
  const auto unmanaged = unmanaged_gpus(xml, snapshot);
  auto managed = gpus;
  std::erase_if(managed, [&](PciSlot slot) { return unmanaged.contains(slot); });
  return {domain.child_value("name"),
          domain.child_value("uuid"),
          {gpus.begin(), gpus.end()},
          going_along(xml, snapshot),
          std::move(managed)};
}

}  // namespace gpuctl
