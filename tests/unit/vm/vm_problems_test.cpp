// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_problems.hpp"

#include <doctest/doctest.h>

#include "support/fake_hypervisor.hpp"
#include "unit/vm/domains.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const std::vector gpu{pci("0000:01:00.0"), pci("0000:01:00.1")};
const VmRequest request{.functions = gpu};

Vm vm_of(const std::string& xml, bool running = false) { return FakeHypervisor{}.add(xml, running); }

const Problem* find(const Problems& problems, const std::string& id) {
  const auto found = std::ranges::find(problems, id, &Problem::id);
  return found == problems.end() ? nullptr : &*found;
}

std::vector<std::string> ids(const Problems& problems) {
  std::vector<std::string> found;
  for (const auto& problem : problems) found.push_back(problem.id);
  return found;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("a shut-off q35 machine of its own has no problem") {
  const auto vm = vm_of(domain_file("linux"));
  CHECK(vm_problems(request, vm, {vm}).empty());
}

TEST_CASE("a running machine is refused unless live; one that has the GPU already is not") {
  const auto vm = vm_of(domain_file("linux"), true);
  CHECK(ids(vm_problems(request, vm, {vm})) == Ids{"vm-running"});
  CHECK(vm_problems({.functions = gpu, .live = true}, vm, {vm}).empty());
  const auto has_it = vm_of(add_hostdevs(domain_file("linux"), gpu), true);
  CHECK(vm_problems(request, has_it, {has_it}).empty());
}

TEST_CASE("a saved state comes back without the GPU: no start, and a warning without one") {
  auto vm = vm_of(domain_file("linux"));
  vm.managed_save = true;
  const auto start = vm_problems({.functions = gpu, .start = true}, vm, {vm});
  REQUIRE(ids(start) == Ids{"vm-managed-save"});
  CHECK(start.front().severity == Severity::blocker);
  CHECK(contains(start.front().remedy,
                 "discard what was saved with 'sudo virsh managedsave-remove " + vm.name));
  const auto define = vm_problems(request, vm, {vm});
  REQUIRE(ids(define) == Ids{"vm-managed-save"});
  CHECK(define.front().severity == Severity::warning);
  FakeHypervisor::run(vm);
  CHECK(find(vm_problems({.functions = gpu, .live = true}, vm, {vm}), "vm-managed-save") == nullptr);
}

TEST_CASE("plugging into a running machine needs a free port for each function") {
  const auto vm = vm_of(q35("    <controller type='pci' index='0' model='pcie-root'/>\n"
                            "    <controller type='pci' index='1' model='pcie-root-port'/>\n"),
                        true);
  const auto problems = vm_problems({.functions = gpu, .live = true}, vm, {vm});
  CHECK(ids(problems) == Ids{"vm-no-hotplug-port"});
  CHECK(contains(problems.front().message, "needs 2"));
}

TEST_CASE("another VM that runs with the GPU blocks; one that is off only warns, by name") {
  const auto target = vm_of(domain_file("linux"));
  const auto other = vm_of(domain_file("two-gpus"));
  const auto off = vm_problems(request, target, {target, other});
  REQUIRE(ids(off) == Ids{"gpu-in-other-vm"});
  CHECK(off.front().severity == Severity::warning);
  CHECK(off.front().subject == "render");
  const auto on = vm_problems(request, target, {target, vm_of(domain_file("two-gpus"), true)});
  REQUIRE(ids(on) == Ids{"gpu-in-running-vm"});
  CHECK(is_blocked(on));
  CHECK(contains(on.front().message, "render"));
}

TEST_CASE("what an earlier attach left in another definition is told from what its owner wants") {
  const auto target = vm_of(domain_file("linux"));
  const VmRequest card2{.functions = {pci("0000:02:00.0"), pci("0000:02:00.1")}};
  CHECK(ids(vm_problems(card2, target, {target, vm_of(domain_file("stale-hostdev"))})) ==
        Ids{"leftover-hostdev"});
}

TEST_CASE("binding to VFIO for no VM at all is stopped by any VM that runs with the GPU") {
  const auto holder = vm_of(domain_file("two-gpus"), true);
  CHECK(ids(claim_problems(gpu, {holder})) == Ids{"gpu-in-running-vm"});
  CHECK(claim_problems(gpu, {holder}, holder.uuid).empty());
  CHECK(claim_problems({pci("0000:99:00.0")}, {holder}).empty());
}

TEST_CASE("a definition nobody can read is a warning, not the end") {
  Vm broken{"odd", "u", VmState::shut_off, true, "<domain", ""};
  CHECK(ids(claim_problems(gpu, {broken})) == Ids{"vm-unreadable"});
}

TEST_CASE("transient machines, user sessions and machines without PCI are refused, i440fx is warned of") {
  auto vm = vm_of(q35("", "pc-i440fx-7.2"));
  vm.persistent = false;
  const auto problems = vm_problems({.functions = gpu, .uri = "qemu:///session"}, vm, {vm});
  CHECK(ids(problems) == Ids{"vm-session", "vm-transient", "vm-machine-i440fx"});
  CHECK(find(problems, "vm-machine-i440fx")->severity == Severity::warning);
  const auto tiny = vm_of(q35("", "microvm"));
  CHECK(ids(vm_problems(request, tiny, {tiny})) == Ids{"vm-no-pci"});
}

TEST_CASE("half a GPU in the user's own hostdevs is told, and that libvirt manages it") {
  const auto vm =
      vm_of(q35("    <hostdev mode='subsystem' type='pci' managed='yes'><source><address bus='0x01'/>"
                "</source></hostdev>\n"));
  CHECK(ids(vm_problems(request, vm, {vm})) == Ids{"vm-managed-hostdev", "vm-partial-gpu"});
}

TEST_CASE("every blocker and warning names a remedy") {
  auto vm = vm_of(q35("", "pc"), true);
  vm.persistent = false;
  const VmRequest all{.functions = gpu, .uri = "qemu:///session"};
  for (const auto& problem : vm_problems(all, vm, {vm, vm_of(domain_file("two-gpus"), true)}))
    CHECK_FALSE(problem.remedy.empty());
}

TEST_CASE("the GPU comes back from a VM that is off; a running one must be shut down") {
  const auto xml = add_hostdevs(domain_file("linux"), gpu);
  CHECK(vm_release_problems(request, vm_of(xml)).empty());
  CHECK(ids(vm_release_problems(request, vm_of(xml, true))) == Ids{"vm-running"});
  CHECK(vm_release_problems(request, vm_of(domain_file("linux"), true)).empty());  // runs without it
}

TEST_CASE("live, a GPU that was started as one device stays, and NVIDIA's needs force") {
  VmRequest live{.functions = gpu, .live = true, .nvidia = true};
  const auto started = vm_of(add_hostdevs(domain_file("linux"), gpu), true);
  CHECK(ids(vm_release_problems(live, started)) == Ids{"vm-multifunction", "vm-nvidia-unplug"});
  auto plugged = vm_of(domain_file("linux"), true);
  plugged.live_xml.insert(plugged.live_xml.find("</devices>"),
                          live_hostdev_xml(gpu.at(0)) + live_hostdev_xml(gpu.at(1)));
  CHECK(ids(vm_release_problems(live, plugged)) == Ids{"vm-nvidia-unplug"});
  live.force = true;
  CHECK(vm_release_problems(live, plugged).empty());
}
