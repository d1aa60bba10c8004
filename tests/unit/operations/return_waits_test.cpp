// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/return_waits.hpp"

#include <doctest/doctest.h>

#include "core/error.hpp"

using namespace gpuctl;
using namespace std::chrono_literals;

namespace {

struct Returning {
  EventLoop loop;
  OperationList list{loop, 1min};
  ReturnWaits waits;
  Request release{Verb::release, "0000:01:00.0", ""};
  int passed = 0;

  explicit Returning(std::chrono::milliseconds patience = 1min) : waits(loop, list, patience) {}
  unsigned run(const char* kind, bool by_itself) {
    auto& operation = list.add(kind, {0, 1, 0}, {}, 0);
    operation.by_itself = by_itself;
    return operation.id;
  }
  void pass(std::uint32_t uid = 1000) {
    waits.pass(release, uid, [this] { ++passed; });
  }
  void turn(int rounds = 5) {
    for (int i = 0; i < rounds; ++i) loop.run_once(5ms);
  }
};

}  // namespace

TEST_CASE("a release that meets no return passes at once") {
  Returning machine;
  machine.pass();
  CHECK(machine.passed == 1);
}

TEST_CASE("a release waits for the end of a return, and not longer") {
  Returning machine;
  const auto id = machine.run("release", true);
  CHECK(machine.waits.concern(machine.release));
  machine.pass();
  machine.turn();
  CHECK(machine.passed == 0);
  machine.list.finish(id, OperationState::succeeded, {}, {});
  machine.turn();
  CHECK(machine.passed == 1);
  CHECK_FALSE(machine.waits.concern(machine.release));
}

TEST_CASE("a return that is refused before it begins holds nobody up") {
  Returning machine;
  const auto id = machine.run("release", true);
  machine.pass();
  machine.list.drop(id, {ErrorCode::blocked, "no"});
  machine.turn();
  CHECK(machine.passed == 1);
}

TEST_CASE("a return that takes too long, or is stuck, is not waited for") {
  Returning impatient{20ms};
  impatient.run("release", true);
  impatient.pass();
  impatient.turn(20);
  CHECK(impatient.passed == 1);

  Returning machine;
  const auto id = machine.run("release", true);
  machine.pass();
  machine.list.update(id, [](Operation& o) { o.stuck = true; });
  machine.list.finish(id, OperationState::failed, "TimedOut", "stuck");
  machine.turn();
  CHECK(machine.passed == 1);
  machine.pass();
  CHECK(machine.passed == 2);
}

TEST_CASE("nobody waits for what somebody has called for, for an attach, or for another GPU") {
  Returning machine;
  SUBCASE("a release by a person") { machine.run("release", false); }
  SUBCASE("an attach for a domain that starts") { machine.run("attach", true); }
  SUBCASE("another GPU") {
    machine.run("release", true);
    machine.release.gpu = "0000:02:00.0";
  }
  SUBCASE("an attach does not wait") {
    machine.run("release", true);
    machine.release.verb = Verb::attach;
  }
  machine.pass();
  CHECK(machine.passed == 1);
}

TEST_CASE("one user's waits leave room for another's") {
  Returning machine;
  machine.run("release", true);
  for (std::size_t i = 0; i < ReturnWaits::max_per_uid; ++i) machine.pass(1000);
  CHECK_THROWS_AS(machine.pass(1000), Error);
  machine.pass(1001);
  CHECK(machine.passed == 0);
}
