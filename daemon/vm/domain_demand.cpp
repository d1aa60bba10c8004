// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/domain_demand.hpp"

#include <utility>

#include "vm/domain_xml.hpp"
#include "vm/hostdev.hpp"

namespace gpuctl {

std::set<PciAddress> going_along(const std::string& xml, const Snapshot& snapshot) {
  std::set<PciAddress> along;
  for (const auto& hostdev : hostdevs(xml)) {
    if (hostdev.managed) along.insert(hostdev.function);
    if (const auto* gpu = snapshot.gpu_of(hostdev.function))
      along.insert(gpu->functions.begin(), gpu->functions.end());
  }
  return along;
}

DomainDemand domain_demand(const std::string& xml, const Snapshot& snapshot) {
  const auto document = parse_domain(xml);
  const auto domain = document.document_element();
  std::set<PciSlot> gpus, unmanaged;
  for (const auto& hostdev : hostdevs(xml)) {
    const auto* gpu = snapshot.gpu_of(hostdev.function);
    if (gpu == nullptr) continue;
    gpus.insert(gpu->slot());
    if (!hostdev.managed) unmanaged.insert(gpu->slot());
  }
  auto managed = gpus;
  std::erase_if(managed, [&](PciSlot slot) { return unmanaged.contains(slot); });
  return {domain.child_value("name"),
          domain.child_value("uuid"),
          {gpus.begin(), gpus.end()},
          going_along(xml, snapshot),
          std::move(managed)};
}

}  // namespace gpuctl
