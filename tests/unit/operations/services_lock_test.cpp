// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/services_lock.hpp"

#include <sys/stat.h>

#include <future>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;
using namespace std::chrono_literals;

namespace {

constexpr ServicesLock::Patience hurried{0ms, 30ms}, patient{30s, 30s};

struct Locks {
  FakeMachine machine;
  std::filesystem::path dir = machine.root() / "run/services";
  int started = 0;
  ServicesLock lock(ServicesLock::Patience patience) const { return {dir, patience}; }
  void start(ServicesLock& lock, const std::string& driver) {
    lock.start(driver, [this] { ++started; });
  }
};

}  // namespace

TEST_CASE("no service is started while anybody takes a GPU from the same driver") {
  Locks it;
  auto one = it.lock(hurried), another = it.lock(hurried), starter = it.lock(hurried);
  one.keep_stopped("nvidia");
  another.keep_stopped("nvidia");
  CHECK_THROWS_WITH(it.start(starter, "nvidia"),
                    "another GPU is still being taken from nvidia, which would wait for it");
  it.start(starter, "amdgpu");
  it.start(starter, "");
  CHECK(it.started == 2);
  one.let_start();
  CHECK_THROWS_AS(it.start(starter, "nvidia"), Error);
  it.start(another, "nvidia");  // ends its own
  it.start(starter, "nvidia");
  CHECK(it.started == 4);
}

TEST_CASE("whoever takes a GPU from its driver waits for a service that is being started, or for its time") {
  Locks it;
  auto starter = it.lock(patient), waiter = it.lock(patient), other = it.lock(hurried);
  std::future<void> waits;
  starter.start("nvidia", [&] {
    other.keep_stopped("nvidia");
    waits = std::async(std::launch::async, [&] { waiter.keep_stopped("nvidia"); });
    CHECK(waits.wait_for(50ms) == std::future_status::timeout);
  });
  CHECK(waits.wait_for(20s) == std::future_status::ready);
  CHECK_THROWS_AS(it.start(other, "nvidia"), Error);  // the waiter has it
}

TEST_CASE("what is not to be had in its time is waited for once") {
  Locks it;
  auto one = it.lock(hurried), starter = it.lock({0ms, 2s});
  one.keep_stopped("nvidia");
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) CHECK_THROWS_AS(it.start(starter, "nvidia"), Error);
  CHECK(std::chrono::steady_clock::now() - begin < 15s);
}

TEST_CASE("nobody else can open its lock; where it cannot be had services are started as ever") {
  Locks it;
  auto one = it.lock(hurried);
  one.keep_stopped("nvidia");
  struct stat dir {
  }, file{};
  REQUIRE(::stat(it.dir.c_str(), &dir) == 0);
  REQUIRE(::stat((it.dir / "nvidia.lock").c_str(), &file) == 0);
  CHECK((dir.st_mode & 0777) == 0700);
  CHECK((file.st_mode & 0777) == 0600);
  ServicesLock nowhere{"/proc/nowhere", hurried};
  nowhere.keep_stopped("nvidia");
  it.start(nowhere, "nvidia");
  CHECK(it.started == 1);
}
