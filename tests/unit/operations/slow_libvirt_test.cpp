// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's side of an operation and its worker's together, while libvirt takes its time.
#include <sys/stat.h>

#include <doctest/doctest.h>

#include <fstream>

#include "operations/carry_out.hpp"
#include "operations/runner.hpp"
#include "os/fork_workers.hpp"
#include "rebind/live_state.hpp"
#include "support/fake_hypervisor.hpp"
#include "support/machines.hpp"
#include "unit/operations/counted_workers.hpp"
#include "unit/vm/domains.hpp"

using namespace gpuctl;
using namespace gpuctl::test;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

constexpr auto uuid = "11111111-2222-3333-4444-555555555555";

/// Its guest starts when it is let, and not before. A file tells that the guest was stopped.
class SlowToStart : public FakeHypervisor {
 public:
  explicit SlowToStart(fs::path dir) : dir_(std::move(dir)) { add(q35("")); }
  void start(const std::string& domain) override {
    std::ifstream{dir_ / "let"}.get();
    FakeHypervisor::start(domain);
  }
  void destroy(const std::string& domain) override {
    FakeHypervisor::destroy(domain);
    std::ofstream{dir_ / "stopped"};
  }

 private:
  fs::path dir_;
};

/// libvirtd ends while it starts the guest.
class Dying : public FakeHypervisor {
 public:
  Dying() { add(q35("")); }
  Vm vm(const std::string& domain) override { return dead_ ? die() : FakeHypervisor::vm(domain); }
  void start(const std::string&) override { die(); }

 private:
  Vm die() {
    dead_ = true;
    throw Error(ErrorCode::libvirt_unavailable, "client socket is closed");
  }
  bool dead_{};
};

class NoUnits : public SystemdControl {
 public:
  void start_unit(const std::string&) override {}
  void stop_unit(const std::string&) override {}
  void restart_unit(const std::string&) override {}
  void load_module(const std::string&) override {}
  void unload_module(const std::string&) override {}
};

Config impatient() {
  Config config;
  config.timeouts.vm = 0s;
  return config;
}

/// A laptop whose GPU is with VFIO, and whose VM is about to be started with it.
struct Laptop {
  FakeMachine machine;
  RootDir root{(reference_laptop(machine), machine.bind("0000:01:00.0", "vfio-pci"),
                machine.bind("0000:01:00.1", "vfio-pci"),
                machine.file("proc/sys/kernel/random/boot_id", "6f1f2d6e-0000-4000-8000-000000000001\n"),
                machine.root())};
  Platform platform{.root = machine.root(),
                    .modules_dir = machine.root() / "lib/modules",
                    .runtime_dir = machine.root() / "run/gpuctl",
                    .state_dir = machine.root() / "var/lib/gpuctl",
                    .config = impatient(),
                    .pci_control = [](const RootDir& r) { return std::make_unique<SysfsPciControl>(r); },
                    .systemd_control = [](std::chrono::milliseconds) { return std::make_unique<NoUnits>(); },
                    .hypervisor = [dir = machine.root()] { return std::make_unique<SlowToStart>(dir); }};
  EventLoop loop;
  ForkWorkers workers{loop, nullptr};
  NoEvents events;
  Inventory inventory{root, events, loop, [] { return Lookups{}; }};
  OperationList operations{loop, 60s};
  Departures departures{loop, 1s, [](PciSlot, bool) {}};
  Runner runner{loop, workers, inventory, operations, departures, platform.config.step_timeouts()};
  PciAddress gpu{0, 1, 0, 0};

  Laptop() { ::mkfifo((machine.root() / "let").c_str(), 0600); }

  Prepared start_of_the_vm() const {
    const auto& snapshot = inventory.snapshot();
    auto now = record_binding(snapshot.gpus.at(gpu.slot()), snapshot, registered_drivers(root));
    now.boot_id = boot_id(root);
    Prepared prepared;
    prepared.survey.plan = {{StepKind::vm_start, uuid, "", ""}};
    prepared.survey.vm_uuid = uuid;
    prepared.transaction = {"attach", prepared.survey.plan, now, now, uuid, 0};
    return prepared;
  }
  unsigned attach() {
    const auto id = operations.add("attach", gpu.slot(), "vm", 0).id;
    const Request request{.verb = Verb::attach, .gpu = gpu.str(), .vm = uuid};
    const auto body = [this, request, prepared = start_of_the_vm()](WorkerChannel& channel) {
      carry_out(channel, request, inventory.snapshot(), platform, 0, prepared);
    };
    runner.run(id, gpu.slot(), body, [](const std::variant<unsigned, Error>&) {});
    return id;
  }
  template <class Condition>
  bool until(Condition condition) {
    for (int i = 0; i < 200 && !condition(); ++i) loop.run_once(50ms);
    return condition();
  }
  /// An attach that has been told to wait for libvirt longer than it should take.
  const Operation& overdue_attach() {
    const auto* operation = operations.find(attach());
    REQUIRE(until([&] { return !operation->message.empty(); }));
    return *operation;
  }
  void let_it_start() { std::ofstream{machine.root() / "let"} << "\n"; }
  bool was_stopped() const { return fs::exists(machine.root() / "stopped"); }
};

}  // namespace

TEST_CASE("a guest that starts after its operation was given up is stopped, and the record says so") {
  Laptop laptop;
  const auto& operation = laptop.overdue_attach();
  laptop.runner.cancel(operation.id);
  CHECK(operation.stuck);
  laptop.let_it_start();
  REQUIRE(laptop.until([&] { return !operation.stuck; }));
  CHECK(laptop.was_stopped());
  CHECK(operation.message.starts_with("it came back after all and was taken back: "));
}

TEST_CASE("what is taken back by libvirt after that has been restarted is so by a connection of its own") {
  Laptop laptop;
  laptop.platform.hypervisor = [dir = laptop.machine.root(),
                                made = std::make_shared<int>()]() -> std::unique_ptr<Hypervisor> {
    if ((*made)++ == 0) return std::make_unique<Dying>();
    return std::make_unique<SlowToStart>(dir);
  };
  const auto& operation = *laptop.operations.find(laptop.attach());
  REQUIRE(laptop.until([&] { return !operation.running(); }));
  CHECK(operation.state == OperationState::rolled_back);
  CHECK(laptop.was_stopped());
}

TEST_CASE("the end of gpuctld stops no guest that starts") {
  Laptop laptop;
  const auto& operation = laptop.overdue_attach();
  bool stopped = false;
  laptop.runner.stop(60s, [&] { stopped = true; });
  laptop.let_it_start();
  REQUIRE(laptop.until([&] { return stopped; }));
  CHECK(operation.state == OperationState::succeeded);
  CHECK_FALSE(laptop.was_stopped());
}
