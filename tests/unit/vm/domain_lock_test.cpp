// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/domain_lock.hpp"

#include <filesystem>
#include <future>
#include <mutex>

#include <doctest/doctest.h>

#include "support/fake_hypervisor.hpp"
#include "support/fake_machine.hpp"
#include "unit/vm/domains.hpp"
#include "unit/vm/error_of.hpp"
#include "vm/vm_performer.hpp"
#include "vm/vm_service.hpp"

using namespace gpuctl;
using namespace gpuctl::test;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

const std::string uuid = "11111111-2222-3333-4444-555555555555";
const std::vector first{pci("0000:0b:00.0")}, second{pci("0000:0c:00.0")};

Vm named(const std::string& name, const std::string& its_uuid) {
  Vm vm;
  vm.name = name;
  vm.uuid = its_uuid;
  return vm;
}

/// While the first definition is on its way, somebody else has a moment to make his.
class Crossing : public FakeHypervisor {
 public:
  std::function<void()> other;
  std::future<void> others_end;

  Vm vm(const std::string& name) override {
    const std::lock_guard guard{mutex_};
    return FakeHypervisor::vm(name);
  }
  void define(const std::string& xml) override {
    if (auto begun = std::exchange(other, {})) {
      others_end = std::async(std::launch::async, begun);
      others_end.wait_for(300ms);
    }
    const std::lock_guard guard{mutex_};
    FakeHypervisor::define(xml);
  }

 private:
  std::mutex mutex_;
};

struct Lab {
  FakeMachine machine;
  RootDir root{machine.root()};
  fs::path locks{machine.root() / "run/vm"};
  Crossing libvirt;
  Vm& vm = libvirt.add(q35("    <input type='mouse' bus='ps2'/>\n"));
  VmService service{
      libvirt, root, {.state = machine.root() / "state", .locks = locks, .battery_table = "/b.aml"}};

  void add(const std::vector<PciAddress>& functions) {
    VmPerformer{libvirt, {.locks = locks}}.perform(
        {StepKind::vm_add_devices, uuid, "", address_list(functions)});
  }
  void remove(const std::vector<PciAddress>& functions) {
    VmPerformer{libvirt, {.locks = locks}}.perform(
        {StepKind::vm_remove_devices, uuid, address_list(functions), ""});
  }
  void crossed_by(const std::vector<PciAddress>& functions) {
    libvirt.other = [this, functions] { add(functions); };
  }
  bool has(const std::vector<PciAddress>& functions) {
    libvirt.others_end.get();
    return std::ranges::includes(own_functions(vm.inactive_xml), functions);
  }
};

}  // namespace

TEST_CASE("a definition has one changer at a time, another domain's has its own") {
  const FakeMachine machine;
  const auto dir = machine.root() / "run/vm";
  const auto win11 = named("win11", uuid);
  {
    const DomainLock held{dir, win11};
    CHECK(error_of([&] { DomainLock{dir, win11, 30ms}; }) == ErrorCode::busy);
    CHECK_THROWS_WITH(DomainLock(dir, win11, 0ms),
                      "another operation changes the VM win11; try again when it is over");
    const DomainLock other{dir, named("other", "22222222-2222-3333-4444-555555555555"), 0ms};
  }
  const DomainLock free{dir, win11, 0ms};
  CHECK((fs::status(dir).permissions() & fs::perms::all) == fs::perms::owner_all);
}

TEST_CASE("whoever waits for a definition gets it when the other has done") {
  const FakeMachine machine;
  const auto dir = machine.root() / "run/vm";
  auto held = std::make_unique<DomainLock>(dir, named("vm", uuid));
  auto waiter = std::async(std::launch::async, [&] { const DomainLock lock{dir, named("vm", uuid), 30s}; });
  CHECK(waiter.wait_for(50ms) == std::future_status::timeout);
  held.reset();
  CHECK(waiter.wait_for(20s) == std::future_status::ready);
}

TEST_CASE("a lock is no way to another file") {
  const FakeMachine machine;
  const auto dir = machine.root() / "vm";
  CHECK(error_of([&] { DomainLock{dir, named("vm", "../../etc/passwd")}; }) == ErrorCode::invalid_argument);
  fs::create_directory(dir);
  fs::create_symlink(machine.root() / "elsewhere", dir / (uuid + ".lock"));
  CHECK(error_of([&] { DomainLock{dir, named("vm", uuid)}; }) == ErrorCode::state_unwritable);
  CHECK_FALSE(fs::exists(machine.root() / "elsewhere"));
}

TEST_CASE("two GPUs that go into one VM at once are both in it") {
  Lab lab;
  lab.crossed_by(second);
  lab.add(first);
  CHECK(lab.has({first.front(), second.front()}));
}

TEST_CASE("a GPU that comes while another goes stays") {
  Lab lab;
  lab.add(first);
  lab.crossed_by(second);
  lab.remove(first);
  CHECK(lab.has(second));
  CHECK(own_functions(lab.vm.inactive_xml) == second);
}

TEST_CASE("a GPU that comes while the VM is set up, or that is undone, stays") {
  Lab lab;
  lab.crossed_by(first);
  lab.service.setup("vm", {.battery = true}, {}, 0);
  CHECK(lab.has(first));
  CHECK(contains(lab.vm.inactive_xml, "acpitable"));
  lab.crossed_by(second);
  lab.service.undo("vm", false, {});
  CHECK(lab.has(second));
  CHECK_FALSE(contains(lab.vm.inactive_xml, "acpitable"));
}
