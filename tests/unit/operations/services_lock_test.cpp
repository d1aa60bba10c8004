// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/services_lock.hpp"

#include <future>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;
using namespace std::chrono_literals;

TEST_CASE("no service is started while anybody takes a GPU from its driver") {
  const FakeMachine machine;
  ServicesLock one{machine.root(), 0ms}, another{machine.root(), 0ms}, starter{machine.root(), 30ms};
  int started = 0;
  const auto start = [&started] { ++started; };
  one.keep_stopped();
  another.keep_stopped();
  CHECK_THROWS_WITH(starter.start(start),
                    "another GPU is being taken from its driver, and would be held by it");
  one.let_start();
  CHECK_THROWS_AS(starter.start(start), Error);
  another.start(start);  // ends its own
  starter.start(start);
  CHECK(started == 2);
}

TEST_CASE("whoever takes a GPU from its driver waits for a service that is being started, or for its time") {
  const FakeMachine machine;
  ServicesLock starter{machine.root()}, patient{machine.root()}, hurried{machine.root(), 30ms};
  std::future<void> waits;
  starter.start([&] {
    hurried.keep_stopped();
    waits = std::async(std::launch::async, [&] { patient.keep_stopped(); });
    CHECK(waits.wait_for(50ms) == std::future_status::timeout);
  });
  CHECK(waits.wait_for(20s) == std::future_status::ready);
  CHECK_THROWS_AS(hurried.start([] {}), Error);  // patient has it
}

TEST_CASE("without its directory services are started as ever") {
  ServicesLock lock{"/nonexistent", 0ms};
  bool started = false;
  lock.keep_stopped();
  lock.start([&] { started = true; });
  CHECK(started);
}
