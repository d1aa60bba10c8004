// SPDX-License-Identifier: GPL-2.0-or-later
// Remedies are copied into shells: names of VMs may have spaces and worse.
#include <doctest/doctest.h>

#include "support/fake_hypervisor.hpp"
#include "unit/vm/domains.hpp"
#include "vm/looking_glass.hpp"
#include "vm/vm_fitness.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

Vm called(const std::string& name) {
  auto vm = FakeHypervisor{}.add(domain_file("stale-hostdev"));
  vm.name = name;
  return vm;
}

std::string remedies(const Vm& vm) {
  std::string text;
  for (const auto& problem : vm_fitness(vm, {}, {}, {})) text += problem.remedy + "\n";
  return text;
}

}  // namespace

TEST_CASE("the VM's name is one word of each command that a remedy tells") {
  auto vm = called("my vm");
  vm.managed_save = true;
  CHECK(contains(remedies(vm), "'gpuctl vm setup \"my vm\"' takes it out"));
  CHECK(contains(remedies(vm), "'sudo virsh managedsave-remove \"my vm\"'"));
  CHECK(contains(remedies(called("a$(b)")), "gpuctl vm setup 'a$(b)'"));
  auto facts = domain_facts(vm.inactive_xml);
  const auto found = looking_glass_problems(vm.name, facts, {}, 1000);
  CHECK(std::ranges::any_of(found, [](const Problem& p) {
    return contains(p.remedy, "gpuctl vm setup \"my vm\" --looking-glass");
  }));
}
