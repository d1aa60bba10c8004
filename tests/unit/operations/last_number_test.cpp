// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/last_number.hpp"

#include <doctest/doctest.h>

#include "support/fake_machine.hpp"

using namespace gpuctl;
using namespace std::chrono_literals;

namespace {

/// gpuctld, as far as its numbers go.
struct Started {
  explicit Started(const test::FakeMachine& machine) : number{machine.root()} {}
  EventLoop loop;
  LastNumber number;
  OperationList list{loop, 60s, number.numbers()};
  unsigned add() { return list.add("attach", {0, 1, 0}, {}, 1000).id; }
};

}  // namespace

TEST_CASE("numbers go on after a restart") {
  const test::FakeMachine machine;
  {
    Started first{machine};
    CHECK(first.add() == 1);
    CHECK(first.add() == 2);
  }
  CHECK(Started{machine}.add() == 3);
  CHECK(Started{machine}.add() == 4);
}

TEST_CASE("a number that is damaged, or none, is not believed") {
  test::FakeMachine machine;
  Started{machine}.add();
  for (const auto* text : {"", "7\n", "00000000 7\n", "7"}) {
    machine.file("operations/last", text);
    CHECK(LastNumber{machine.root()}.numbers().last == 0);
  }
}

TEST_CASE("where a number cannot be kept operations go on") {
  test::FakeMachine machine;
  machine.file("operations", "no directory");
  Started daemon{machine};
  CHECK(daemon.add() == 1);
  CHECK(daemon.add() == 2);
}
