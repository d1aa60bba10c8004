// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/recoveries.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "operations/assignments.hpp"
#include "operations/messages.hpp"
#include "support/machines.hpp"
#include "unit/operations/counted_workers.hpp"

using namespace gpuctl;
using namespace std::chrono_literals;

namespace {

constexpr auto boot = "6f1f2d6e-0000-4000-8000-000000000001";
const PciAddress gpu{0, 1, 0, 0};
const PciAddress audio{0, 1, 0, 1};

/// A process of an earlier gpuctld, in the fake machine's /proc under its real number.
class LateHelper {
 public:
  explicit LateHelper(test::FakeMachine& machine) : machine_(machine), pid_(::fork()) {
    if (pid_ == 0)
      for (;;) ::pause();
    machine_.file(fmt::format("proc/{}/stat", pid_),
                  fmt::format("{} (gpuctld) D 1 1 1 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 777 1 1\n", pid_));
  }
  ~LateHelper() { end(); }
  LateHelper(const LateHelper&) = delete;
  LateHelper& operator=(const LateHelper&) = delete;
  ProcessId id() const { return {pid_, 777}; }
  void end() {
    if (pid_ == 0) return;
    machine_.erase(fmt::format("proc/{}/stat", pid_));
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  test::FakeMachine& machine_;
  pid_t pid_;
};

struct Laptop {
  test::FakeMachine machine;
  RootDir root{(test::reference_laptop(machine),
                machine.file("proc/sys/kernel/random/boot_id", std::string{boot} + "\n"), machine.root())};
  Platform platform;
  StateDir journal_dir{machine.root() / "run/journal"}, assignment_dir{machine.root() / "state/assignments"};
  Assignments assignments{assignment_dir, boot};
  EventLoop loop;
  test::CountedWorkers workers;
  test::NoEvents events;
  TimeoutConfig timeouts;

  Laptop() {
    platform.root = machine.root();
    platform.runtime_dir = machine.root() / "run";
    platform.state_dir = machine.root() / "state";
  }
  void leave_journal(const ProcessId& helper) {
    JournalHeader header;
    header.operation = "attach";
    header.boot_id = boot;
    header.helper = helper;
    header.home.gpu = gpu;
    for (const auto function : {gpu, audio}) header.home.functions.emplace_back().address = function;
    JournalStore(journal_dir).create(header);
  }
  void assign(const std::string& boot_id = boot) {
    Assignment assignment{gpu.slot(), {gpu, audio}, "11111111-2222-3333-4444-555555555555", "win11", 0, 0};
    assignment.unsettled = true;
    Assignments{assignment_dir, boot_id}.save(assignment);
  }
};

/// gpuctld, as far as recovery goes.
struct Started {
  Laptop& laptop;
  Recoveries::Retries retries;
  std::vector<PciAddress> held{functions_held_by_helpers(laptop.platform)};
  Inventory inventory{laptop.root, laptop.events, laptop.loop, [] { return Lookups{}; }, held};
  OperationList operations{laptop.loop, 60s};
  Departures departures{laptop.loop, 1s, [](PciSlot, bool) {}};
  Runner runner{laptop.loop, laptop.workers, inventory, operations, departures, laptop.timeouts};
  Recoveries recoveries{laptop.loop, inventory, operations, runner, laptop.platform, retries};

  explicit Started(Laptop& machine, Recoveries::Retries waits = {1s, 4s}) : laptop(machine), retries(waits) {
    recoveries.start();
    inventory.end_transition(held);
  }
  std::string override_of(PciAddress function) const {
    return inventory.snapshot().find(function)->driver_override;
  }
  void turn(std::chrono::milliseconds enough = 100ms) {
    const auto end = std::chrono::steady_clock::now() + enough;
    for (int round = 0; round < 20 || std::chrono::steady_clock::now() < end; ++round)
      laptop.loop.run_once(1ms);
  }
  template <class Condition>
  bool until(Condition condition) {
    for (int i = 0; i < 500 && !condition(); ++i) laptop.loop.run_once(20ms);
    return condition();
  }
  /// An operation whose first step does not come back.
  unsigned get_stuck(const Step& step = {StepKind::check_users, "0000:01:00.0", "", ""}) {
    const auto id = operations.add("attach", gpu.slot(), "", 0).id;
    runner.run(id, gpu.slot(), {}, [](const std::variant<unsigned, Error>&) {});
    laptop.workers.last.on_message(messages::plan(Plan{step}));
    laptop.workers.last.on_message(messages::progress(0, StepState::running));
    REQUIRE(until([&] { return operations.find(id)->stuck; }));
    return id;
  }
};

}  // namespace

TEST_CASE("what a process of an earlier gpuctld has in the kernel's hands is not read, and shown as stuck") {
  Laptop laptop;
  LateHelper helper{laptop.machine};
  laptop.leave_journal(helper.id());
  laptop.machine.set("0000:01:00.0", "driver_override", "vfio-pci\n");
  Started daemon{laptop};
  CHECK(daemon.held == std::vector{gpu, audio});
  daemon.inventory.refresh_all();
  CHECK(daemon.override_of(gpu).empty());
  REQUIRE(daemon.operations.running_on(gpu.slot()) != nullptr);
  CHECK(daemon.operations.running_on(gpu.slot())->stuck);
  CHECK_FALSE(daemon.operations.busy());
  helper.end();
  daemon.turn();
  CHECK(laptop.workers.begun == 1);
  CHECK(daemon.operations.running_on(gpu.slot())->running());
  CHECK(daemon.override_of(gpu) == "vfio-pci");
}

TEST_CASE("without such a process all is read, and recovered at once") {
  Laptop laptop;
  laptop.leave_journal({1, 777});
  laptop.machine.set("0000:01:00.0", "driver_override", "vfio-pci\n");
  Started daemon{laptop};
  CHECK(daemon.held.empty());
  CHECK(laptop.workers.begun == 1);
  CHECK(daemon.override_of(gpu) == "vfio-pci");
}

TEST_CASE("while the machine sleeps no recovery begins, and when gpuctld stops none does any more") {
  Laptop laptop;
  Started daemon{laptop};
  daemon.recoveries.pause(true);
  laptop.leave_journal({1, 777});
  daemon.recoveries.start();
  daemon.turn();
  CHECK(laptop.workers.begun == 0);
  daemon.recoveries.stop();
  daemon.recoveries.pause(false);
  daemon.turn();
  CHECK(laptop.workers.begun == 0);
}

TEST_CASE(
    "a recovery that could not begin during sleep begins afterwards, as one that met a reader of the ROM") {
  Laptop laptop;
  Started daemon{laptop};
  daemon.recoveries.pause(true);
  laptop.leave_journal({1, 777});
  daemon.recoveries.start();
  auto reader = daemon.operations.hold(gpu.slot());
  daemon.recoveries.pause(false);
  daemon.turn();
  CHECK(laptop.workers.begun == 0);
  reader.reset();
  daemon.turn();
  CHECK(laptop.workers.begun == 1);
}

TEST_CASE("a recovery that failed begins again when a driver changes, not when a function wakes or sleeps") {
  Laptop laptop;
  laptop.leave_journal({1, 777});
  Started daemon{laptop};
  const auto end = laptop.workers.last;
  end.on_message(messages::end(OperationState::failed, "", "its driver does not take it"));
  end.on_exit(0);
  daemon.turn();
  CHECK(laptop.workers.begun == 1);
  laptop.machine.set("0000:01:00.0", "power/runtime_status", "suspended\n");
  daemon.inventory.refresh({gpu});
  daemon.turn();
  CHECK(laptop.workers.begun == 1);
  laptop.machine.unbind("0000:01:00.1");
  daemon.inventory.refresh({audio});
  daemon.turn();
  CHECK(laptop.workers.begun == 2);
}

TEST_CASE("a recovery that only libvirt was in the way of begins again by itself") {
  Laptop laptop;
  laptop.leave_journal({1, 777});
  Started daemon{laptop};
  const auto end = laptop.workers.last;
  const std::string error{error_name(ErrorCode::libvirt_unavailable)};
  end.on_message(messages::end(OperationState::failed, error, "libvirt does not answer"));
  end.on_exit(0);
  daemon.turn(50ms);
  CHECK(laptop.workers.begun == 1);
  CHECK(daemon.until([&] { return laptop.workers.begun == 2; }));
}

TEST_CASE("a recovery whose turn comes while something else has the GPU has another") {
  Laptop laptop;
  laptop.leave_journal({1, 777});
  Started daemon{laptop};
  const auto end = laptop.workers.last;
  const std::string error{error_name(ErrorCode::libvirt_unavailable)};
  end.on_message(messages::end(OperationState::failed, error, "libvirt does not answer"));
  end.on_exit(0);
  const auto other = daemon.operations.add("attach", gpu.slot(), "", 0).id;
  daemon.turn(1100ms);
  CHECK(laptop.workers.begun == 1);
  daemon.operations.drop(other, Error{ErrorCode::busy, "another was first"});
  CHECK(daemon.until([&] { return laptop.workers.begun == 2; }));
}

TEST_CASE("a recovery that ends without its word begins again at once, and then ever later") {
  Laptop laptop;
  laptop.timeouts.other = 0s;
  laptop.leave_journal({1, 777});
  Started daemon{laptop, {3s, 4s}};
  std::function<void(const WorkerHandlers&)> end;
  SUBCASE("its process dies") {
    end = [](const auto& worker) { worker.on_exit(SIGSEGV); };
  }
  SUBCASE("it fails before it has a plan") {
    end = [](const auto& worker) {
      worker.on_message(messages::error(Error{ErrorCode::internal, "the journal cannot be read"}));
      worker.on_exit(0);
    };
  }
  SUBCASE("it gets stuck, and comes back") {
    end = [&](const auto& worker) {
      worker.on_message(messages::undo({StepKind::check_users, "0000:01:00.0", "", ""}, StepState::running));
      REQUIRE(daemon.until([&] { return daemon.operations.running_on(gpu.slot())->stuck; }));
      worker.on_message(
          messages::end(OperationState::failed, "RollbackFailed", "its driver does not take it"));
      worker.on_exit(0);
    };
  }
  const auto end_it = [&] {
    end(WorkerHandlers{laptop.workers.last});
    daemon.turn(50ms);
    return laptop.workers.begun;
  };
  CHECK(end_it() == 2);
  CHECK(end_it() == 2);
  REQUIRE(daemon.until([&] { return laptop.workers.begun == 3; }));
  CHECK(end_it() == 3);
  CHECK(daemon.until([&] { return laptop.workers.begun == 4; }));
}

TEST_CASE("what has nothing to do begins no recovery that waits for a change") {
  Laptop laptop;
  laptop.leave_journal({1, 777});
  Started daemon{laptop};
  const auto recovery = laptop.workers.last;
  recovery.on_message(messages::end(OperationState::failed, "", "its driver does not take it"));
  recovery.on_exit(0);
  daemon.turn();
  const auto id = daemon.operations.add("attach", gpu.slot(), "", 1000).id;
  daemon.operations.finish(id, OperationState::succeeded, "", "");
  daemon.turn();
  CHECK(laptop.workers.begun == 1);
}

TEST_CASE("a worker that has told its end, and is on its way out, is no process that is stuck") {
  Laptop laptop;
  Started daemon{laptop};
  const auto id = daemon.operations.add("attach", gpu.slot(), "", 0).id;
  daemon.runner.run(id, gpu.slot(), {}, [](const std::variant<unsigned, Error>&) {});
  LateHelper helper{laptop.machine};
  laptop.leave_journal(helper.id());
  const auto worker = laptop.workers.last;
  worker.on_message(
      messages::end(OperationState::failed, "RollbackFailed", "it could not all be taken back"));
  daemon.turn();
  CHECK(daemon.operations.running_on(gpu.slot()) == nullptr);
  CHECK(laptop.workers.begun == 1);
  helper.end();
  worker.on_exit(0);
  daemon.turn();
  CHECK(laptop.workers.begun == 2);
}

TEST_CASE("a service that takes too long is not said to be the kernel") {
  Laptop laptop;
  laptop.timeouts.unit = 0s;
  Started daemon{laptop};
  const auto* operation =
      daemon.operations.find(daemon.get_stuck({StepKind::stop_unit, "nvidia-persistenced.service", "", ""}));
  CHECK(
      operation->message.starts_with("systemd has not finished stop-unit of nvidia-persistenced.service in 0 "
                                     "s ([timeouts] unit in gpuctl.toml)"));
}

TEST_CASE("what an operation leaves that was stuck and came back is recovered") {
  Laptop laptop;
  laptop.timeouts.other = 0s;
  Started daemon{laptop};
  daemon.get_stuck();
  laptop.leave_journal({1, 777});
  daemon.turn();
  CHECK(laptop.workers.begun == 1);
  const auto end = laptop.workers.last;
  end.on_message(messages::end(OperationState::failed, "RollbackFailed", "it could not all be taken back"));
  daemon.turn();
  CHECK(laptop.workers.begun == 1);  // its process lives still
  end.on_exit(0);
  daemon.turn();
  CHECK(laptop.workers.begun == 2);
}

TEST_CASE("a recovery belongs to whoever asked for it, else to gpuctld") {
  Laptop laptop;
  Started daemon{laptop};
  daemon.recoveries.pause(true);
  laptop.leave_journal({1, 777});
  daemon.recoveries.start();
  SUBCASE("asked for") {
    daemon.recoveries.pause(false);
    const auto id = daemon.recoveries.recover(gpu.slot(), 1000);
    REQUIRE(id);
    CHECK(daemon.operations.find(*id)->started_by == 1000);
  }
  SUBCASE("by itself") {
    daemon.recoveries.pause(false);
    daemon.turn();
    REQUIRE(daemon.operations.running_on(gpu.slot()) != nullptr);
    CHECK(daemon.operations.running_on(gpu.slot())->started_by == 0);
  }
}

TEST_CASE("an assignment whose attach was killed before its journal was there is taken back") {
  Laptop laptop;
  laptop.assign();
  const Started daemon{laptop};
  CHECK_FALSE(laptop.assignments.find(gpu.slot()));
}

TEST_CASE("an assignment that may be true stays") {
  Laptop laptop;
  laptop.assign();
  SUBCASE("the GPU is away") { laptop.machine.unbind("0000:01:00.0").bind("0000:01:00.0", "vfio-pci"); }
  SUBCASE("it is of another boot, and nobody knows any more") { laptop.assign("another"); }
  const Started daemon{laptop};
  REQUIRE(laptop.assignments.find(gpu.slot()));
  CHECK_FALSE(laptop.assignments.find(gpu.slot())->unsettled);
}
