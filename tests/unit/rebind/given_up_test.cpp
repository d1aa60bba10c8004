// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rebind/executor.hpp"
#include "world.hpp"

using namespace gpuctl;
using namespace gpuctl::test;
using namespace std::chrono_literals;

TEST_CASE("what libvirt does is never late, but taken back if the caller has given it up") {
  for (const bool given_up : {false, true}) {
    World world{reference_laptop};
    world.hooks.given_up = [given_up] { return given_up; };
    world.hooks.deadline = [](const Step& step) { return is_vm_step(step.kind) ? -1ms : 1h; };
    const auto outcome = world.run(world.attach());
    CHECK(outcome.ending == (given_up ? Ending::rolled_back : Ending::succeeded));
    CHECK(outcome.healed == given_up);
    CHECK(world.vm.has_devices != given_up);
    CHECK(world.not_home().empty() == given_up);
  }
}

TEST_CASE("a unit that other GPUs need and that was given up takes the attach back") {
  World world{reference_laptop};
  world.target.start_units = world.target.stop_units;
  world.hooks.deadline = [](const Step& step) { return step.kind == StepKind::start_unit ? -1ms : 1h; };
  world.hooks.given_up = [] { return true; };
  CHECK(world.run(world.attach()).ending == Ending::rolled_back);
  CHECK_MESSAGE(world.not_home().empty(), fmt::format("{}", fmt::join(world.not_home(), "; ")));
}
