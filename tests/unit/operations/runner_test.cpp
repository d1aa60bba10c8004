// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/runner.hpp"

#include <unistd.h>

#include <doctest/doctest.h>

#include "operations/messages.hpp"
#include "os/fork_workers.hpp"
#include "support/machines.hpp"
#include "unit/operations/counted_workers.hpp"

using namespace gpuctl;
using namespace std::chrono_literals;

namespace {

/// No descriptors, no memory, too many processes.
class NoWorkers : public WorkerPool {
 public:
  std::unique_ptr<Worker> start(const std::string&, Body, WorkerHandlers) override {
    throw Error(ErrorCode::internal, "cannot start a worker");
  }
};

/// Its workers sit in the kernel: they hear nothing, and say what the test says.
class DeafWorkers : public WorkerPool {
 public:
  int sent = 0;
  bool alive = false;
  WorkerHandlers handlers;
  std::unique_ptr<Worker> start(const std::string&, Body, WorkerHandlers told) override {
    handlers = std::move(told);
    return std::make_unique<Deaf>(*this);
  }

 private:
  class Deaf : public Worker {
   public:
    explicit Deaf(DeafWorkers& pool) : pool_(pool) { pool_.alive = true; }
    Deaf(const Deaf&) = delete;
    Deaf& operator=(const Deaf&) = delete;
    ~Deaf() override { pool_.alive = false; }
    pid_t pid() const override { return 1; }
    void send(const std::string&) override { ++pool_.sent; }

   private:
    DeafWorkers& pool_;
  };
};

struct Laptop {
  test::FakeMachine machine;
  RootDir root{(test::reference_laptop(machine), machine.root())};
  EventLoop loop;
  ForkWorkers workers{loop, nullptr};
  test::NoEvents events;
  Inventory inventory{root, events, loop, [] { return Lookups{}; }};
  OperationList operations{loop, 60s};
  Departures departures{loop, 1s, [](PciSlot, bool) {}};
  Runner runner{loop, workers, inventory, operations, departures, {}};
  std::vector<std::variant<unsigned, Error>> answers;

  /// The number of an operation that has begun; answers go to `answers`.
  unsigned begin(Runner& by, const WorkerPool::Body& body = {}, const std::string& kind = "attach") {
    const auto slot = PciAddress::parse("0000:01:00.0")->slot();
    const auto id = operations.add(kind, slot, "", 0).id;
    by.run(id, slot, body, [this](std::variant<unsigned, Error> a) { answers.push_back(std::move(a)); });
    return id;
  }
  /// And when it is over and who asked has been told.
  unsigned run(const WorkerPool::Body& body) {
    const auto id = begin(runner, body);
    for (int i = 0; i < 200 && (answers.empty() || operations.busy()); ++i) loop.run_once(50ms);
    return id;
  }
};

struct WithDeafWorkers : Laptop {
  explicit WithDeafWorkers(const TimeoutConfig& timeouts = {})
      : with_them{{}, {loop, with_them.workers, inventory, operations, departures, timeouts}} {}
  struct {
    DeafWorkers workers;
    Runner runner;
  } with_them;
  void turn(std::chrono::milliseconds time) {
    bool later = false;
    const auto timer = loop.after(time, [&] { later = true; });
    while (!later) loop.run_once(50ms);
  }
};

/// No time at all but for the users: 500 ms of grace, and what they have.
TimeoutConfig only_for_users(std::chrono::seconds settle) {
  TimeoutConfig timeouts;
  timeouts.other = 0s;
  timeouts.settle = settle;
  return timeouts;
}

const Step look_for_users{StepKind::check_users, "0000:01:00.0", "", ""};

}  // namespace

TEST_CASE("who asked is told of an operation whose worker dies before it has a plan") {
  Laptop laptop;
  const auto id = laptop.run([](WorkerChannel&) { ::_exit(9); });
  REQUIRE(laptop.answers.size() == 1);
  CHECK(std::get<unsigned>(laptop.answers[0]) == id);
  CHECK(laptop.operations.find(id)->state == OperationState::failed);
}

TEST_CASE("who asked is told once, also when the worker dies later") {
  Laptop laptop;
  const auto id = laptop.run([](WorkerChannel& channel) {
    channel.send(messages::plan(Plan{}));
    ::_exit(9);
  });
  REQUIRE(laptop.answers.size() == 1);
  CHECK(std::get<unsigned>(laptop.answers[0]) == id);
}

TEST_CASE("where no process can be had who asked is told, and the GPU is free again") {
  Laptop laptop;
  NoWorkers none;
  Runner runner{laptop.loop, none, laptop.inventory, laptop.operations, laptop.departures, {}};
  const auto id = laptop.begin(runner);
  REQUIRE(laptop.answers.size() == 1);
  CHECK(std::get<Error>(laptop.answers[0]).code() == ErrorCode::internal);
  CHECK_FALSE(laptop.operations.busy());
  CHECK_FALSE(runner.cancel(id));
  laptop.machine.set("0000:01:00.0", "driver_override", "vfio-pci\n");
  laptop.inventory.refresh(*PciAddress::parse("0000:01:00.0"));  // read whole: nothing is in transition
  CHECK(laptop.inventory.snapshot().find(*PciAddress::parse("0000:01:00.0"))->driver_override == "vfio-pci");
}

TEST_CASE("a worker is asked to stop once, however often") {
  WithDeafWorkers laptop;
  auto& [deaf, runner] = laptop.with_them;
  const auto id = laptop.begin(runner);
  deaf.handlers.on_message(messages::plan(Plan{}));
  for (int i = 0; i < 1000; ++i) CHECK(runner.cancel(id));
  CHECK(deaf.sent == 1);
  CHECK(deaf.alive);
}

TEST_CASE("what has no plan yet is cancelled, whatever its worker waits for") {
  WithDeafWorkers laptop;
  auto& [deaf, runner] = laptop.with_them;
  const auto id = laptop.begin(runner);
  CHECK(runner.cancel(id));
  CHECK(deaf.sent == 1);
  for (int i = 0; i < 100 && laptop.operations.busy(); ++i) laptop.loop.run_once(50ms);
  CHECK_FALSE(deaf.alive);
  CHECK(laptop.operations.find(id)->state == OperationState::cancelled);
  CHECK_FALSE(laptop.operations.busy());
  REQUIRE(laptop.answers.size() == 1);
  CHECK(std::get<unsigned>(laptop.answers[0]) == id);
  CHECK_FALSE(runner.cancel(id));
}

TEST_CASE("what has begun to write, or has its plan, is asked to stop and not killed") {
  for (const auto& said : {messages::looked(), messages::plan(Plan{})}) {
    WithDeafWorkers laptop;
    auto& [deaf, runner] = laptop.with_them;
    CHECK(runner.cancel(laptop.begin(runner)));
    deaf.handlers.on_message(said);
    bool later = false;
    const auto timer = laptop.loop.after(1500ms, [&] { later = true; });
    while (!later) laptop.loop.run_once(50ms);
    CHECK(deaf.alive);
    CHECK(deaf.sent == 1);
    CHECK(laptop.operations.busy());
  }
}

TEST_CASE("a recovery that hangs before its first step leaves the GPU stuck, and nobody busy") {
  WithDeafWorkers laptop{only_for_users(0s)};
  auto& [deaf, runner] = laptop.with_them;
  const auto id = laptop.begin(runner, {}, "recover");
  CHECK(laptop.operations.busy());
  laptop.turn(1s);
  CHECK(laptop.operations.find(id)->stuck);
  CHECK_FALSE(laptop.operations.busy());
  CHECK(deaf.alive);
}

TEST_CASE("the checks of a recovery have their deadlines") {
  WithDeafWorkers laptop{only_for_users(1s)};
  auto& [deaf, runner] = laptop.with_them;
  const auto id = laptop.begin(runner, {}, "recover");
  laptop.turn(1s);
  deaf.handlers.on_message(messages::undo(look_for_users, StepState::running));
  laptop.turn(1s);
  CHECK_FALSE(laptop.operations.find(id)->stuck);
  laptop.turn(1s);
  CHECK(laptop.operations.find(id)->stuck);
}

TEST_CASE("users have the time that they are given to let go, and more where they are made to") {
  for (const bool forced : {false, true}) {
    WithDeafWorkers laptop{only_for_users(1s)};
    auto& [deaf, runner] = laptop.with_them;
    const auto id = laptop.begin(runner);
    laptop.operations.update(id, [forced](Operation& operation) { operation.forced = forced; });
    deaf.handlers.on_message(messages::plan(Plan{look_for_users}));
    deaf.handlers.on_message(messages::progress(0, StepState::running));
    laptop.turn(1s);
    CHECK_FALSE(laptop.operations.find(id)->stuck);
    laptop.turn(1s);
    CHECK(laptop.operations.find(id)->stuck != forced);
  }
}

TEST_CASE("what its work throws after the plan is the operation's end, and what it left is recovered") {
  Laptop laptop;
  int crashes = 0;
  laptop.runner.on_crash([&](PciSlot) { ++crashes; });
  const auto id = laptop.run([](WorkerChannel& channel) {
    channel.send(messages::plan(Plan{}));
    channel.send(messages::error(Error{ErrorCode::state_unwritable, "the disk is full"}));
  });
  REQUIRE(laptop.answers.size() == 1);
  CHECK(std::get<unsigned>(laptop.answers[0]) == id);
  const auto* operation = laptop.operations.find(id);
  REQUIRE(operation != nullptr);
  CHECK(operation->state == OperationState::failed);
  CHECK(operation->error == error_name(ErrorCode::state_unwritable));
  CHECK(operation->message == "the disk is full");
  CHECK(crashes == 1);
}

TEST_CASE(
    "libvirt is waited for longer than it should take, which is told, until the operation is cancelled") {
  TimeoutConfig timeouts;
  timeouts.vm = 0s;
  WithDeafWorkers laptop{timeouts};
  auto& [deaf, runner] = laptop.with_them;
  const auto id = laptop.begin(runner);
  const Step start{StepKind::vm_start, "11111111-2222-3333-4444-555555555555", "", ""};
  deaf.handlers.on_message(messages::plan(Plan{start}));
  deaf.handlers.on_message(messages::progress(0, StepState::running));
  laptop.turn(1s);
  const auto& operation = *laptop.operations.find(id);
  CHECK(operation.running());
  CHECK_FALSE(operation.stuck);
  CHECK(operation.message.find("libvirt has not finished vm-start") == 0);
  CHECK(operation.message.find("[timeouts] vm") != std::string::npos);
  SUBCASE("it comes back") {
    deaf.handlers.on_message(messages::progress(0, StepState::done));
    deaf.handlers.on_message(messages::end(OperationState::succeeded, "", ""));
    CHECK(operation.state == OperationState::succeeded);
    CHECK(operation.message.empty());
  }
  SUBCASE("it is cancelled") {
    runner.cancel(id);
    CHECK(operation.state == OperationState::failed);
    CHECK(operation.stuck);
    CHECK(operation.message.find("libvirt has not finished vm-start") == 0);
    deaf.handlers.on_message(messages::end(OperationState::succeeded, "", ""));
    CHECK(operation.message == "it came back after all and has succeeded");
  }
  SUBCASE("it is cancelled when it has come back") {
    deaf.handlers.on_message(messages::progress(0, StepState::done));
    runner.cancel(id);
    CHECK_FALSE(operation.stuck);
  }
  SUBCASE("gpuctld ends") {
    runner.stop(1h, [] {});
    CHECK(deaf.sent == 1);
    CHECK(operation.running());
  }
  SUBCASE("it goes on with another step") {
    deaf.handlers.on_message(messages::undo({StepKind::vm_stop, start.subject, "", ""}, StepState::running));
    CHECK(operation.message.empty());
    CHECK(operation.running());
  }
}

TEST_CASE("who asked is told of a refusal, and nothing is left of the operation") {
  Laptop laptop;
  const auto id = laptop.run([](WorkerChannel& channel) {
    channel.send(messages::error(Error{ErrorCode::busy, "no"}));
  });
  REQUIRE(laptop.answers.size() == 1);
  CHECK(std::get<Error>(laptop.answers[0]).code() == ErrorCode::busy);
  CHECK(laptop.operations.find(id) == nullptr);
}
