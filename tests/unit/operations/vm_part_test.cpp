// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/vm_part.hpp"

#include <doctest/doctest.h>

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
