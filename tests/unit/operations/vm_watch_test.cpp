// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/vm_watch.hpp"

#include <doctest/doctest.h>

#include "operations/messages.hpp"
#include "rebind/saved_bindings.hpp"
#include "support/machines.hpp"
#include "unit/operations/counted_workers.hpp"

using namespace gpuctl;
using namespace gpuctl::test;
using namespace std::chrono_literals;

namespace {

constexpr auto boot = "6f1f2d6e-0000-4000-8000-000000000001";
constexpr auto uuid = "11111111-2222-3333-4444-555555555555";
const PciAddress gpu{0, 1, 0, 0};
const PciAddress audio{0, 1, 0, 1};

Platform platform_at(const std::filesystem::path& root) {
  Platform platform;
  platform.root = root;
  platform.runtime_dir = root / "run";
  platform.state_dir = root / "state";
  return platform;
}

/// A laptop whose GPU has no driver on the host, and is with a VM.
struct Laptop {
  explicit Laptop(std::string counted = "operation") : workers{std::move(counted)} {
    Assignment assignment{gpu.slot(), {gpu, audio}, uuid, "win11", 0, 0};
    assignment.running = true;
    assignments.save(assignment);
    Binding home;
    home.gpu = gpu;
    records.save(home);
  }
  FakeMachine machine;
  RootDir root{(reference_laptop(machine), machine.bind("0000:01:00.0", "vfio-pci"),
                machine.bind("0000:01:00.1", "vfio-pci"),
                machine.file("proc/sys/kernel/random/boot_id", std::string{boot} + "\n"), machine.root())};
  Platform platform{platform_at(machine.root())};
  EventLoop loop;
  CountedWorkers workers;
  NoEvents events;
  Inventory inventory{root, events, loop, [] { return Lookups{}; }};
  OperationList operations{loop, 60s};
  Departures departures{loop, 1s, [](PciSlot, bool) {}};
  Runner runner{loop, workers, inventory, operations, departures, {}};
  Recoveries recoveries{loop, inventory, operations, runner, platform};
  Queries queries{loop, workers, 1s};
  Requests requests{inventory, operations, queries, departures, runner, recoveries, platform};
  StateDir assignment_dir{platform.state_dir / "assignments"}, record_dir{platform.runtime_dir / "bindings"};
  Assignments assignments{assignment_dir, boot};
  SavedBindings records{record_dir, boot};
  VmWatch watch{loop, workers, inventory, operations, requests, assignments, platform};
  template <class Condition>
  bool until(Condition condition) {
    for (int i = 0; i < 250 && !condition(); ++i) loop.run_once(20ms);
    return condition();
  }
  /// What the release that has begun comes to: no function has a driver.
  void end_release() {
    machine.unbind("0000:01:00.0").unbind("0000:01:00.1");
    const auto worker = workers.last;
    worker.on_message(messages::end(OperationState::succeeded, "", ""));
    worker.on_exit(0);
    for (int i = 0; i < 5; ++i) loop.run_once(20ms);
  }
};

}  // namespace

TEST_CASE(
    "a GPU that belongs without a driver is home so, and the second word of its VM's end moves nothing") {
  Laptop laptop;
  laptop.watch.ended(uuid);
  CHECK(laptop.workers.begun == 1);
  laptop.records.remove(gpu.slot());
  laptop.end_release();
  laptop.watch.ended(uuid);
  CHECK(laptop.workers.begun == 1);
  CHECK_FALSE(laptop.assignments.find(gpu.slot())->returning);
}

TEST_CASE("a GPU that has lost its driver on the way home is released once more") {
  Laptop laptop;
  laptop.watch.ended(uuid);
  laptop.end_release();
  laptop.watch.ended(uuid);
  CHECK(laptop.workers.begun == 2);
}

TEST_CASE("where no process is to be had, virtual machines are watched as soon as one is") {
  Laptop laptop{"vm-watch"};
  laptop.workers.exhausted = true;
  CHECK_NOTHROW(laptop.watch.look_at(uuid));
  laptop.workers.exhausted = false;
  CHECK(laptop.until([&] { return laptop.workers.begun == 1; }));
}

TEST_CASE("a GPU that was stuck when its VM ended goes home when it is free") {
  Laptop laptop;
  const auto id = laptop.operations.add("release", gpu.slot(), "win11", 0).id;
  laptop.operations.update(id, [](Operation& operation) { operation.stuck = true; });
  laptop.operations.finish(id, OperationState::failed, "TimedOut", "libvirt has not finished");
  laptop.watch.ended(uuid);
  CHECK(laptop.workers.begun == 0);
  laptop.operations.update(id, [](Operation& operation) { operation.stuck = false; });
  CHECK(laptop.until([&] { return laptop.workers.begun == 1; }));
}
