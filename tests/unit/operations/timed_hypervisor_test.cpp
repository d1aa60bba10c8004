// SPDX-License-Identifier: GPL-2.0-or-later
// Not beside the tests of vm: those load and unload libvirt, and LeakSanitizer bears no threads after that.
#include "vm/timed_hypervisor.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <future>
#include <thread>

#include "support/fake_hypervisor.hpp"
#include "unit/vm/domains.hpp"
#include "unit/vm/error_of.hpp"

using namespace gpuctl;
using namespace gpuctl::test;
using namespace std::chrono_literals;

namespace {

/// A libvirt that answers when it is let, and not before.
struct Hanging : FakeHypervisor {
  std::shared_future<void> let;
  std::vector<Vm> vms() override { return let.wait(), FakeHypervisor::vms(); }
  Vm vm(const std::string& name) override { return let.wait(), FakeHypervisor::vm(name); }
  unsigned long version() override { return let.wait(), FakeHypervisor::version(); }
  /// Takes its time, which nobody minds.
  void define(const std::string&) override { std::this_thread::sleep_for(2100ms); }
};

std::unique_ptr<Hypervisor> connect(const std::shared_future<void>& let) {
  auto libvirt = std::make_unique<Hanging>();
  libvirt->let = let;
  libvirt->add(domain_file("windows11"));
  return libvirt;
}

#ifdef __SANITIZE_THREAD__
constexpr std::ptrdiff_t lasting_threads = 2;  // ThreadSanitizer's own is the second
#else
constexpr std::ptrdiff_t lasting_threads = 1;
#endif

/// A question without an answer stays in a thread of its own; a sanitizer that looks for leaks bears none at
/// the end.
void await_threads() {
  namespace fs = std::filesystem;
  while (std::distance(fs::directory_iterator{"/proc/self/task"}, fs::directory_iterator{}) > lasting_threads)
    std::this_thread::yield();
}

}  // namespace

TEST_CASE("a libvirt that answers is heard, and its refusals too") {
  std::promise<void> promise;
  promise.set_value();
  const auto let = promise.get_future().share();
  TimedHypervisor libvirt{[let] { return connect(let); }, 60s};
  CHECK(libvirt.vm("win11").name == "win11");
  CHECK(libvirt.vms().size() == 1);
  CHECK(libvirt.version() == 9000000);
  CHECK(error_of([&] { libvirt.vm("none"); }) == ErrorCode::vm_not_found);
  await_threads();
}

TEST_CASE(
    "what libvirt does on the way takes nothing from the time of later answers where a change needs them") {
  std::promise<void> promise;
  promise.set_value();
  const auto let = promise.get_future().share();
  TimedHypervisor looking{[let] { return connect(let); }, 2s};
  looking.define("");
  CHECK(error_of([&] { looking.vm("win11"); }) == ErrorCode::libvirt_unavailable);
  TimedHypervisor changing{[let] { return connect(let); }, 2s, Patience::for_each_answer};
  changing.define("");
  CHECK(changing.vm("win11").name == "win11");
  await_threads();
}

TEST_CASE("a libvirt that hangs, when it is reached or when it is asked, is one that is not there") {
  std::promise<void> promise;
  const auto let = promise.get_future().share();
  const auto hangs = [let] { return let.wait(), connect(let); };
  CHECK(error_of([&] { TimedHypervisor{hangs, 10ms}; }) == ErrorCode::libvirt_unavailable);
  TimedHypervisor libvirt{[let] { return connect(let); }, 2s};  // for its connection too
  CHECK(error_of([&] { libvirt.vm("win11"); }) == ErrorCode::libvirt_unavailable);
  CHECK(error_of([&] { libvirt.vms(); }) == ErrorCode::libvirt_unavailable);
  CHECK(error_of([&] { libvirt.version(); }) == ErrorCode::libvirt_unavailable);
  promise.set_value();
  CHECK(TimedHypervisor{[let] { return connect(let); }, 60s}.vm("win11").name == "win11");
  await_threads();
}
