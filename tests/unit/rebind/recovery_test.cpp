// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/recovery.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <doctest/doctest.h>

#include "world.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

constexpr auto boot = "6f1f2d6e-0000-4000-8000-000000000001";
const PciAddress gpu{0, 1, 0, 0};
const PciAddress audio{0, 1, 0, 1};

void kill_before(World& world, const std::string& what) {
  World rehearsal{reference_laptop};
  if (world.recorded()) rehearsal.run(rehearsal.attach());
  const auto start = rehearsal.kernel.faults().seen().size();
  rehearsal.run(world.recorded() ? rehearsal.release() : rehearsal.attach());
  const auto& seen = rehearsal.kernel.faults().seen();
  for (auto i = start; i < seen.size(); ++i)
    if (seen[i].find(what) != std::string::npos) {
      world.kernel.faults().at(i, {FaultKind::crash_before});
      CHECK_THROWS_AS(world.run(world.recorded() ? world.release() : world.attach()), Crash);
      return;
    }
  FAIL("no effect was: " << what);
}

JournalContents only_journal(World& world) {
  auto loaded = world.journals.load(boot);
  REQUIRE(loaded.unfinished.size() == 1);
  return loaded.unfinished[0];
}

}  // namespace

TEST_CASE("an attach that was killed half-way is taken back to the host") {
  World world{reference_laptop};
  kill_before(world, "binding to vfio-pci 0000:01:00.0");
  CHECK(world.kernel.driver_of(gpu).empty());
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(world.not_home().empty());
  CHECK(world.journal_empty());
  CHECK(world.recover().empty());
}

TEST_CASE("a release that was killed half-way is finished") {
  World world{reference_laptop};
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  kill_before(world, "binding to nvidia 0000:01:00.0");
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(world.not_home().empty());
}

TEST_CASE("a GPU that was reserved before keeps its record when the attach to a VM is killed") {
  World world{reference_laptop};
  const auto vm_steps = std::exchange(world.target.last, {});
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  world.target.last = vm_steps;
  const auto attach = world.attach();
  REQUIRE(attach.plan == vm_steps);
  world.hooks.cancelled = []() -> bool { throw Crash{}; };
  CHECK_THROWS_AS(world.run(attach), Crash);
  world.hooks.cancelled = {};
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(world.journal_empty());
  CHECK(world.kernel.driver_of(gpu) == "vfio-pci");
  CHECK(world.recorded());
  CHECK(world.run(world.release()).ending == Ending::succeeded);
  CHECK(world.not_home().empty());
}

TEST_CASE("an attach that was killed before its first step leaves no record of a GPU that is home") {
  World world{reference_laptop};
  world.hooks.cancelled = []() -> bool { throw Crash{}; };
  CHECK_THROWS_AS(world.run(world.attach()), Crash);
  REQUIRE(world.recorded());
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK_FALSE(world.recorded());
}

TEST_CASE("a release that was killed when all was done, but is not home any more, is done again") {
  World world{reference_laptop};
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  kill_before(world, "remove state");
  world.machine.set("0000:01:00.0", "driver_override", "vfio-pci");
  CHECK_FALSE(recovery_plan(only_journal(world), world.root).complete);
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(world.not_home().empty());
}

TEST_CASE("recovery brings the GPU home without a unit that does not start any more") {
  World world{reference_laptop};
  kill_before(world, "binding to vfio-pci 0000:01:00.0");
  World rehearsal{reference_laptop};
  kill_before(rehearsal, "binding to vfio-pci 0000:01:00.0");
  rehearsal.recover();
  const auto& seen = rehearsal.kernel.faults().seen();
  const auto start = std::ranges::find(seen, "starting nvidia-persistenced.service") - seen.begin();
  world.kernel.faults().at(static_cast<std::size_t>(start), {FaultKind::error, ENOENT});
  const auto outcome = world.recover().front();
  CHECK(outcome.ending == Ending::succeeded);
  CHECK(outcome.message.find("systemctl start nvidia-persistenced.service") != std::string::npos);
  CHECK(world.not_home() == std::vector<std::string>{"the unit is still stopped"});
  CHECK(world.journal_empty());
}

TEST_CASE("a recovery that only libvirt was in the way of says so, and ends well when that is back") {
  World rehearsal{reference_laptop};
  kill_before(rehearsal, "domain");
  rehearsal.recover();
  const auto& seen = rehearsal.kernel.faults().seen();
  const auto taken_out = std::ranges::find_if(
      seen, [](const auto& effect) { return effect.find(": vm-remove-devices") != std::string::npos; });
  World world{reference_laptop};
  kill_before(world, "domain");
  world.kernel.faults().at(static_cast<std::size_t>(taken_out - seen.begin()), {FaultKind::error, ENOTCONN});
  CHECK(world.recover().front().error == ErrorCode::libvirt_unavailable);
  CHECK(world.kernel.units().contains("nvidia-persistenced.service"));  // the GPU is home
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(world.kernel.restarted().empty());  // others' work is not disturbed
  CHECK(world.not_home().empty());
}

TEST_CASE("an attach that was killed when all was done stays done") {
  World world{reference_laptop};
  kill_before(world, "remove state");
  const auto recovery = recovery_plan(only_journal(world), world.root);
  CHECK(recovery.complete);
  CHECK(recovery.plan.empty());
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(world.not_on_vfio().empty());
  CHECK(world.journal_empty());
}

TEST_CASE("recovery never acts on a function that has users, and goes on when they have left") {
  World world{reference_laptop};
  kill_before(world, "unbinding from nvidia");
  world.kernel.used(audio);
  const auto before = world.kernel.faults().seen().size();
  const auto outcome = world.recover().front();
  CHECK(outcome.error == ErrorCode::blocked);
  CHECK(outcome.message.find("Xorg") != std::string::npos);
  const auto& seen = world.kernel.faults().seen();
  CHECK(std::all_of(seen.begin() + static_cast<std::ptrdiff_t>(before), seen.end(), [](const auto& effect) {
    return effect.find("state") != std::string::npos || effect.starts_with("changing the mode");
  }));
  CHECK(world.closed_nodes().empty());
  world.kernel.used(audio, false);
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(world.not_home().empty());
}

TEST_CASE("the looks for users that a recovery begins with are told, for they may hang") {
  World world{reference_laptop};
  kill_before(world, "unbinding from nvidia");
  std::vector<Step> running;
  world.hooks.undo_progress = [&](const Step& step, StepState state) {
    if (state == StepState::running) running.push_back(step);
  };
  const auto checks = std::ranges::count(recovery_plan(only_journal(world), world.root).plan,
                                         StepKind::check_users, &Step::kind);
  REQUIRE(checks > 0);
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(std::ranges::count(running, StepKind::check_users, &Step::kind) == checks);
}

TEST_CASE("an attach whose VM runs already is kept, with the record of where the GPU belongs") {
  World world{reference_laptop};
  kill_before(world, "domain");
  CHECK(recovery_plan(only_journal(world), world.root).may_adopt);
  world.kernel.used(gpu);
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(world.kernel.driver_of(gpu) == "vfio-pci");
  CHECK(world.recorded());
  CHECK(world.journal_empty());
}

TEST_CASE("while remove() runs, or its helper lives, the GPU is stuck and nothing is written") {
  World world{reference_laptop};
  kill_before(world, "binding to vfio-pci 0000:01:00.1");
  const auto journal = only_journal(world);
  world.machine.begin_unbind("0000:01:00.0");
  auto recovery = recovery_plan(journal, world.root);
  CHECK(recovery.plan.empty());
  REQUIRE(recovery.problems.size() == 1);
  CHECK(recovery.problems[0].id == "gpu-stuck");
  CHECK(recovery.problems[0].message == "nvidia still runs remove() for 0000:01:00.0.");
  world.machine.unbind("0000:01:00.0");
  CHECK(recovery_plan(journal, world.root).problems.empty());
  recovery = recovery_plan(journal, world.snapshot(), world.drivers(), true);
  REQUIRE(recovery.problems.size() == 1);
  CHECK(recovery.problems[0].id == "gpu-stuck");
}

TEST_CASE("a helper is told apart from a later process with its number") {
  World world{reference_laptop};
  const auto stat = [&](int ticks) {
    world.machine.file("proc/77/stat", "77 (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 " +
                                           std::to_string(ticks) + " 1\n");
  };
  stat(500);
  const auto helper = process_id(world.root, 77);
  CHECK(helper.start_time == 500);
  CHECK(is_alive(world.root, helper));
  stat(501);
  CHECK_FALSE(is_alive(world.root, helper));
  world.machine.erase("proc/77");
  CHECK_FALSE(is_alive(world.root, helper));
  CHECK_FALSE(is_alive(world.root, ProcessId{77, 0}));
}

TEST_CASE("recovery leaves a swapped card alone, names it, and restores the rest") {
  World world{reference_laptop};
  kill_before(world, "binding to vfio-pci 0000:01:00.0");
  world.machine.set("0000:01:00.0", "device", "0x2684\n");
  const auto recovery = recovery_plan(only_journal(world), world.root);
  REQUIRE(recovery.problems.size() == 1);
  CHECK(recovery.problems[0].id == "device-changed");
  CHECK(recovery.problems[0].severity == Severity::warning);
  CHECK(std::ranges::none_of(recovery.plan, [](const Step& s) { return s.subject == "0000:01:00.0"; }));
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(world.kernel.driver_of(audio) == "snd_hda_intel");
  CHECK(world.kernel.driver_of(gpu).empty());
}

TEST_CASE("recovery never stops a VM") {
  World world{reference_laptop};
  world.target.last.push_back({StepKind::vm_start, "2b0b4d7e-0000-4000-8000-0000000000aa", "", ""});
  auto t = world.attach();
  JournalContents journal{.header = {.operation = "attach",
                                     .plan = t.plan,
                                     .before = t.before,
                                     .home = t.home,
                                     .boot_id = boot,
                                     .helper = {},
                                     .vm = "",
                                     .started_by = 0},
                          .begun = {},
                          .done = {},
                          .rolling_back = false,
                          .lines = 1};
  for (std::size_t i = 0; i < t.plan.size(); ++i) journal.begun.push_back(i);
  const auto recovery = recovery_plan(journal, world.snapshot(), world.drivers(), false);
  CHECK(std::ranges::none_of(recovery.plan, [](const Step& s) { return s.kind == StepKind::vm_stop; }));
  CHECK(std::ranges::any_of(recovery.plan,
                            [](const Step& s) { return s.kind == StepKind::vm_remove_devices; }));
}

TEST_CASE("a card taken out in the middle leaves nothing to recover but what is still there") {
  World world{reference_laptop};
  kill_before(world, "binding to vfio-pci 0000:01:00.0");
  world.machine.unplug("0000:01:00.0").unplug("0000:01:00.1");
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(world.kernel.units().contains("nvidia-persistenced.service"));
  CHECK(world.journal_empty());
}

TEST_CASE("device files of a GPU that is stuck stay closed until the kernel has let go of it") {
  World world{reference_laptop};
  const auto transaction = world.attach();
  world.hooks.progress = [&](std::size_t step, StepState) {
    const auto& is = transaction.plan.at(step);
    if (is.kind == StepKind::unbind && is.subject == gpu.str()) world.kernel.used(gpu);
  };
  CHECK_THROWS_AS(world.run(transaction), Hang);
  CHECK(world.recover().front().error == ErrorCode::timed_out);
  CHECK_FALSE(world.closed_nodes().empty());
  world.kernel.let_go_all();
  world.helper_is_gone();
  CHECK(world.recover().front().ending == Ending::succeeded);
  CHECK(world.closed_nodes().empty());
}
