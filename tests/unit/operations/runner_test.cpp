// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/runner.hpp"

#include <unistd.h>

#include <doctest/doctest.h>

#include "operations/messages.hpp"
#include "os/fork_workers.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace std::chrono_literals;

namespace {

class NoEvents : public DeviceEvents {
 public:
  void on_event(std::function<void(const DeviceEvent&)>) override {}
};

struct Laptop {
  test::FakeMachine machine;
  RootDir root{(test::reference_laptop(machine), machine.root())};
  EventLoop loop;
  ForkWorkers workers{loop, nullptr};
  NoEvents events;
  Inventory inventory{root, events, loop, [] { return Lookups{}; }};
  OperationList operations{loop, 60s};
  Departures departures{loop, 1s, [](PciSlot, bool) {}};
  Runner runner{loop, workers, inventory, operations, departures, {}};
  std::vector<std::variant<unsigned, Error>> answers;

  /// The operation's number, when it is over and who asked has been told.
  unsigned run(const WorkerPool::Body& body) {
    const auto slot = PciAddress::parse("0000:01:00.0")->slot();
    const auto id = operations.add("attach", slot, "", 0).id;
    runner.run(id, slot, body, [this](std::variant<unsigned, Error> a) { answers.push_back(std::move(a)); });
    for (int i = 0; i < 200 && (answers.empty() || operations.busy()); ++i) loop.run_once(50ms);
    return id;
  }
};

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

TEST_CASE("who asked is told of a refusal, and nothing is left of the operation") {
  Laptop laptop;
  const auto id = laptop.run([](WorkerChannel& channel) {
    channel.send(messages::error(Error{ErrorCode::busy, "no"}));
  });
  REQUIRE(laptop.answers.size() == 1);
  CHECK(std::get<Error>(laptop.answers[0]).code() == ErrorCode::busy);
  CHECK(laptop.operations.find(id) == nullptr);
}
