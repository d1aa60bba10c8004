// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/departures.hpp"

#include <doctest/doctest.h>

#include "core/error.hpp"

using namespace gpuctl;
using namespace std::chrono_literals;

namespace {

struct Leaving {
  explicit Leaving(std::chrono::milliseconds patience = 60s)
      : departures{loop, patience, [this](PciSlot, bool leaves) { told.push_back(leaves); }} {}
  EventLoop loop;
  std::vector<bool> told;
  Departures departures;
  bool ready = false;
  void announce() {
    departures.announce({0, 1, 0}, [this] { ready = true; });
  }
  void turn(int rounds, std::chrono::milliseconds each = 5ms) {
    for (int i = 0; i < rounds && !ready; ++i) loop.run_once(each);
  }
};

}  // namespace

TEST_CASE("with nobody to wait for, a GPU leaves at once") {
  Leaving leaving;
  leaving.announce();
  leaving.turn(3);
  CHECK(leaving.ready);
  CHECK(leaving.told == std::vector{true});
}

TEST_CASE("a lock delays the departure until it is closed") {
  Leaving leaving;
  auto lock = leaving.departures.lock(1000);
  leaving.announce();
  leaving.turn(3, 1ms);
  CHECK_FALSE(leaving.ready);
  lock.reset();
  leaving.turn(5);
  CHECK(leaving.ready);
}

TEST_CASE("nobody delays it for ever") {
  Leaving leaving{1s};
  const auto lock = leaving.departures.lock(1000);
  leaving.announce();
  leaving.turn(500, 10ms);
  CHECK(leaving.ready);
}

TEST_CASE("who is in a hurry waits for no lock, and only once") {
  Leaving leaving;
  const auto lock = leaving.departures.lock(1000);
  leaving.departures.hurry({0, 1, 0});  // nothing leaves yet
  leaving.turn(3, 1ms);
  leaving.announce();
  leaving.turn(3, 1ms);
  CHECK_FALSE(leaving.ready);
  leaving.departures.hurry({0, 1, 0});
  CHECK_FALSE(leaving.ready);  // not from under the caller's feet
  leaving.turn(3, 1ms);
  CHECK(leaving.ready);
}

TEST_CASE("those who heard that it leaves hear that it is back, once") {
  Leaving leaving;
  leaving.departures.returned({0, 1, 0});
  CHECK(leaving.told.empty());
  leaving.announce();
  leaving.departures.returned({0, 1, 0});
  leaving.departures.returned({0, 1, 0});
  CHECK(leaving.told == std::vector{true, false});
}

TEST_CASE("one user cannot take all locks, and gets them back by closing") {
  Leaving leaving;
  std::vector<UniqueFd> held;
  for (std::size_t i = 0; i < Departures::max_locks_per_uid; ++i)
    held.push_back(leaving.departures.lock(1000));
  CHECK_THROWS_AS(leaving.departures.lock(1000), Error);
  CHECK_NOTHROW(leaving.departures.lock(1001));
  held.clear();
  for (int i = 0; i < 40; ++i) leaving.loop.run_once(1ms);
  CHECK_NOTHROW(leaving.departures.lock(1000));
}
