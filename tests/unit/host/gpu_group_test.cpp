// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include "host/checks/checks.hpp"
#include "support/describe.hpp"
#include "support/fake_machine.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const PciAddress card{0, 1, 0, 0};
const PciAddress port{0, 0, 1, 0};

/// A card and the bridge in front of it in one group.
std::string told(const char* driver_of_bridge) {
  const FakeMachine machine;
  const RootDir root(machine.root());
  Snapshot snapshot;
  snapshot.host.iommu = "intel";
  snapshot.functions[card] = {.address = card, .id = {.class_code = 0x030000}, .iommu_group = 1};
  snapshot.functions[port] = {.address = port, .driver = driver_of_bridge, .iommu_group = 1, .bridge = true};
  snapshot.groups[1] = {.number = 1, .functions = {port, card}};
  Problems found;
  checks::gpu_group({root, snapshot, {}}, {card, {card}}, found);
  return describe(found);
}

}  // namespace

TEST_CASE("a bridge in the GPU's group does not matter, unless its driver keeps the group from a VM") {
  CHECK(told("pcieport") == "ok gpu-iommu-group 0000:01:00.0\n");
  CHECK(told("") == "ok gpu-iommu-group 0000:01:00.0\n");
  CHECK(told("shpchp") == "blocker gpu-iommu-group 0000:01:00.0\n");
}
