// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/revive.hpp"

#include <algorithm>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rebind/live_state.hpp"
#include "rebind/plan.hpp"
#include "world.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const PciAddress gpu_address{0, 1, 0, 0};
const PciAddress audio_address{0, 1, 0, 1};

/// With what read_function() leaves out.
Snapshot with_resets(const World& world) {
  auto now = world.snapshot();
  now.functions.at(gpu_address).reset_methods = {"flr", "bus"};
  now.functions.at(audio_address).reset_methods = {"bus"};
  return now;
}

Plan revival(World& world, Revival how) {
  return release_plan(world.gpu(), with_resets(world), world.drivers(), world.home, {{}, {}, how});
}

/// The steps that revive, of whatever the plan has besides.
std::string core(const Plan& plan) {
  Plan steps;
  for (const auto& s : plan)
    if (s.kind == StepKind::unbind || s.kind == StepKind::bind || s.kind == StepKind::reset ||
        s.kind == StepKind::remove || s.kind == StepKind::rescan || s.kind == StepKind::check_present)
      steps.push_back(s);
  return text(steps);
}

}  // namespace

TEST_CASE("a reset frees all functions, resets what can be reset alone, and proves that it answers") {
  World world{reference_laptop};
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  CHECK(core(revival(world, Revival::reset)) ==
        "unbind 0000:01:00.1 from vfio-pci\n"
        "unbind 0000:01:00.0 from vfio-pci\n"
        "reset 0000:01:00.0\n"
        "check-present 0000:01:00.0 to 10de:25a0\n"
        "check-present 0000:01:00.1 to 10de:2291\n"
        "bind 0000:01:00.0 to nvidia\n"
        "bind 0000:01:00.1 to snd_hda_intel\n");
}

TEST_CASE("a rescan takes all functions off the bus, and what comes back gets its recorded drivers") {
  World world{reference_laptop};
  CHECK(core(revival(world, Revival::rescan)) ==
        "unbind 0000:01:00.1 from snd_hda_intel\n"
        "unbind 0000:01:00.0 from nvidia\n"
        "remove 0000:01:00.1\n"
        "remove 0000:01:00.0\n"
        "rescan 0000:01:00.0\n"
        "check-present 0000:01:00.0 to 10de:25a0\n"
        "check-present 0000:01:00.1 to 10de:2291\n"
        "unbind 0000:01:00.0 to nvidia\n"
        "bind 0000:01:00.0 to nvidia\n"
        "unbind 0000:01:00.1 to snd_hda_intel\n"
        "bind 0000:01:00.1 to snd_hda_intel\n");
}

TEST_CASE("a card that is reset or found again ends with its recorded drivers, from VFIO and from the host") {
  for (const auto how : {Revival::reset, Revival::rescan})
    for (const bool away : {true, false}) {
      World world{reference_laptop};
      if (away) REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
      auto transaction = world.release();
      transaction.plan = release_plan(world.gpu(), with_resets(world), world.drivers(), world.home,
                                      {{{StepKind::vm_remove_devices, "vm", "", ""}}, {}, how});
      const auto outcome = world.run(transaction);
      CHECK_MESSAGE(outcome.ending == Ending::succeeded, outcome.message);
      CHECK(world.kernel.driver_of(gpu_address) == "nvidia");
      CHECK(world.kernel.driver_of(audio_address) == "snd_hda_intel");
      CHECK(world.kernel.override_of(gpu_address).empty());
    }
}

TEST_CASE("killed when the functions are off the bus, recovery scans it again and restores all of them") {
  World world{reference_laptop};
  world.machine.set("0000:01:00.1", "driver_override", "snd_hda_intel");
  world.home = record_binding(world.gpu(), world.snapshot(), world.drivers());
  auto transaction = world.release();
  transaction.plan = revival(world, Revival::rescan);
  const auto before = world.kernel.faults().seen().size();
  {
    World rehearsal{reference_laptop};
    rehearsal.run(transaction);
    const auto& seen = rehearsal.kernel.faults().seen();
    const auto removed = std::ranges::find(seen, "writing 1 to remove 0000:01:00.0") - seen.begin();
    world.kernel.faults().at(before + static_cast<std::size_t>(removed), {FaultKind::crash_after});
  }
  CHECK_THROWS_AS(world.run(transaction), Crash);
  REQUIRE(world.gpu().functions.empty());
  for (const auto& outcome : world.recover())
    CHECK_MESSAGE(outcome.ending == Ending::succeeded, outcome.message);
  CHECK(world.journal_empty());
  CHECK_MESSAGE(world.not_home().empty(), fmt::format("{}", fmt::join(world.not_home(), "; ")));
}

namespace {

Outcome run_revival(World& world, Revival how) {
  auto transaction = world.release();
  transaction.plan = revival(world, how);
  return world.run(transaction);
}

}  // namespace

TEST_CASE("whatever took a function when it was found again, it ends as it was recorded") {
  struct Taken {
    const char* driver;
    const char* by_rule;
  };
  for (const auto& taken : {Taken{"vfio-pci", ""}, Taken{"vfio-pci", "vfio-pci"}, Taken{"nouveau", ""}})
    for (const auto* recorded_override : {"(null)", "nvidia"}) {
      World world{reference_laptop};
      world.machine.driver("nouveau").set("0000:01:00.0", "driver_override", recorded_override);
      world.home = record_binding(world.gpu(), world.snapshot(), world.drivers());
      for (const auto address : {gpu_address, audio_address})
        world.kernel.taken_when_found(address, taken.driver, taken.by_rule);
      const auto outcome = run_revival(world, Revival::rescan);
      CHECK_MESSAGE(outcome.ending == Ending::succeeded, outcome.message);
      CHECK_MESSAGE(world.not_home().empty(), fmt::format("{}", fmt::join(world.not_home(), "; ")));
    }
}

TEST_CASE("a function recorded without a driver has none after a rescan, whoever takes it") {
  World world{reference_laptop};
  world.machine.unbind("0000:01:00.1");
  world.home = record_binding(world.gpu(), world.snapshot(), world.drivers());
  const auto outcome = run_revival(world, Revival::rescan);
  CHECK_MESSAGE(outcome.ending == Ending::succeeded, outcome.message);
  CHECK(world.kernel.driver_of(audio_address).empty());
  CHECK(world.not_home().empty());
}

TEST_CASE("nobody loses a function that he uses since it was found again") {
  World world{reference_laptop};
  world.kernel.taken_when_found(audio_address, "nouveau");
  world.machine.driver("nouveau");
  auto transaction = world.release();
  transaction.plan = revival(world, Revival::rescan);
  world.hooks.progress = [&](std::size_t step, StepState state) {
    if (transaction.plan[step].kind == StepKind::rescan && state == StepState::done)
      world.kernel.used(audio_address);
  };
  CHECK(world.run(transaction).message.find("Xorg") != std::string::npos);
}

TEST_CASE("a companion that has left the bus keeps nobody else away, and is found again if it is there") {
  for (const bool comes_back : {true, false}) {
    World world{reference_laptop};
    REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
    comes_back ? world.kernel.remove(audio_address) : static_cast<void>(world.machine.unplug("0000:01:00.1"));
    CHECK(identity_problems(world.home, world.snapshot()).front().severity == Severity::warning);
    auto transaction = world.release();
    auto now = world.snapshot();
    transaction.plan = release_plan(world.gpu(), now, world.drivers(), world.home, {{}, {}, Revival::rescan});
    const auto outcome = world.run(transaction);
    CHECK_MESSAGE(outcome.ending == Ending::succeeded, outcome.message);
    CHECK(world.kernel.driver_of(gpu_address) == "nvidia");
    if (comes_back) CHECK(world.kernel.driver_of(audio_address) == "snd_hda_intel");
    CHECK(outcome.message.empty() == comes_back);
    CHECK(differences(world.home, world.snapshot()).empty());
    CHECK(power_differences(world.home, world.snapshot()).empty());
  }
}

TEST_CASE("a rescan that fails is rolled back to where the functions were, from wherever they are found") {
  World world{reference_laptop};
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  auto transaction = world.release();
  transaction.plan = revival(world, Revival::rescan);
  world.hooks.cancelled = [&, asked = 0]() mutable {
    return transaction.plan.at(static_cast<std::size_t>(asked++)).kind == StepKind::rescan;
  };
  const auto outcome = world.run(transaction);
  CHECK_MESSAGE(outcome.ending == Ending::cancelled, outcome.message);
  CHECK_MESSAGE(world.not_on_vfio().empty(), fmt::format("{}", fmt::join(world.not_on_vfio(), "; ")));
}
