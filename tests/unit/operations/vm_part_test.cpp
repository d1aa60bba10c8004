// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/vm_part.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "support/describe.hpp"
#include "support/fake_hypervisor.hpp"
#include "unit/vm/domains.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

TEST_CASE("an attach that starts a VM with a saved state is blocked; one that only defines it is not") {
  const Gpu gpu{pci("0000:0b:00.0"), {pci("0000:0b:00.0"), pci("0000:0b:00.1")}};
  auto vm = FakeHypervisor{}.add(domain_file("linux"));
  vm.managed_save = true;
  Request request;
  CHECK_FALSE(is_blocked(attach_vm_part(request, gpu, {}, vm, {vm}).problems));
  request.start = true;
  CHECK(is_blocked(attach_vm_part(request, gpu, {}, vm, {vm}).problems));
}

TEST_CASE("a guest that stands still is not started by a start, and the way out is named") {
  const Gpu gpu{pci("0000:0b:00.0"), {pci("0000:0b:00.0"), pci("0000:0b:00.1")}};
  auto vm = FakeHypervisor{}.add(add_hostdevs(domain_file("linux"), gpu.functions), true);
  Request request;
  request.start = true;
  CHECK(attach_vm_part(request, gpu, {}, vm, {vm}).problems.empty());
  const auto found = [&](VmState state, bool start) {
    vm.state = state;
    request.start = start;
    return attach_vm_part(request, gpu, {}, vm, {vm}).problems;
  };
  CHECK(found(VmState::paused, false).empty());
  REQUIRE(describe(found(VmState::paused, true)) == "blocker vm-paused " + vm.name + "\n");
  CHECK(found(VmState::paused, true).at(0).remedy == "Let it go on: sudo virsh resume " + vm.name);
  const auto crashed = found(VmState::other, true);
  const auto problem = std::ranges::find(crashed, "vm-crashed", &Problem::id);
  REQUIRE(problem != crashed.end());
  CHECK(problem->severity == Severity::blocker);
  CHECK(problem->remedy.ends_with("virsh destroy " + vm.name));
  const auto vm_problem_ids = found(VmState::other, false);
  CHECK(std::ranges::count(vm_problem_ids, "vm-crashed", &Problem::id) == 0);
}
