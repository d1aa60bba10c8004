// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/executor.hpp"

#include <algorithm>
#include <cerrno>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "world.hpp"

using namespace gpuctl;
using namespace gpuctl::test;
using namespace std::chrono_literals;

namespace {

const PciAddress gpu{0, 1, 0, 0};
const PciAddress audio{0, 1, 0, 1};

std::size_t index_of(const World& world, const std::string& what) {
  const auto& seen = world.kernel.faults().seen();
  for (std::size_t i = 0; i < seen.size(); ++i)
    if (seen[i].find(what) != std::string::npos) return i;
  FAIL("no effect was: " << what);
  return 0;
}

/// Where an effect comes in an attach that goes well.
std::size_t effect_of_attach(void (*machine)(FakeMachine&), const std::string& what) {
  World rehearsal{machine};
  REQUIRE(rehearsal.run(rehearsal.attach()).ending == Ending::succeeded);
  return index_of(rehearsal, what);
}

/// An attach of the laptop's GPU whose last bind fails, and whose way back meets `error` at `effect`.
Outcome attach_and_meet_on_the_way_back(World& world, const std::string& effect, int error) {
  const auto bind = effect_of_attach(reference_laptop, "binding to vfio-pci 0000:01:00.0");
  World rehearsal{reference_laptop};
  rehearsal.kernel.faults().at(bind, {FaultKind::error, EIO});
  rehearsal.run(rehearsal.attach());
  world.kernel.faults().at(bind, {FaultKind::error, EIO});
  world.kernel.faults().at(index_of(rehearsal, effect), {FaultKind::error, error});
  return world.run(world.attach());
}

std::string text(const std::vector<std::string>& lines) { return fmt::format("{}", fmt::join(lines, "; ")); }

}  // namespace

TEST_CASE("attach puts every function on vfio-pci, and release puts everything back") {
  for (auto* machine : {reference_laptop, four_function_card}) {
    World world{machine};
    CHECK(world.run(world.attach()) == Outcome{Ending::succeeded, {}, "", false, {}});
    CHECK_MESSAGE(world.not_on_vfio().empty(), text(world.not_on_vfio()));
    CHECK(world.journal_empty());
    CHECK(world.run(world.release()).ending == Ending::succeeded);
    CHECK_MESSAGE(world.not_home().empty(), text(world.not_home()));
    CHECK(world.journal_empty());
  }
}

TEST_CASE("a refused probe gives every function its old driver back") {
  World world{reference_laptop};
  const auto bind = effect_of_attach(reference_laptop, "binding to vfio-pci 0000:01:00.0");
  world.kernel.faults().at(bind, {FaultKind::error, EINVAL});
  auto transaction = world.attach();
  transaction.home.vm = "2b0b4d7e-0000-4000-8000-0000000000aa";
  const auto outcome = world.run(transaction);
  CHECK(outcome.ending == Ending::rolled_back);
  CHECK(outcome.error == ErrorCode::kernel_refused);
  CHECK(outcome.message == "0000:01:00.0: binding to vfio-pci: Invalid argument (EINVAL).");
  CHECK_MESSAGE(world.not_home().empty(), text(world.not_home()));
  CHECK(world.journal_empty());
}

TEST_CASE("a probe that reports success but bound nothing is told apart from success") {
  World world{reference_laptop};
  const auto bind = effect_of_attach(reference_laptop, "binding to vfio-pci 0000:01:00.1");
  world.kernel.faults().at(bind, {FaultKind::no_effect});
  const auto outcome = world.run(world.attach());
  CHECK(outcome.error == ErrorCode::not_bound);
  CHECK(world.not_home().empty());
}

TEST_CASE("a user of the GPU is refused by name before anything is unbound") {
  World world{reference_laptop};
  world.kernel.used(gpu);
  const auto outcome = world.run(world.attach());
  CHECK(outcome.ending == Ending::rolled_back);
  CHECK(outcome.error == ErrorCode::blocked);
  CHECK(outcome.message.find("Process 42 (Xorg) holds 0000:01:00.0") != std::string::npos);
  for (const auto& effect : world.kernel.faults().seen()) CHECK(effect.find("unbind") == std::string::npos);
  CHECK(world.not_home().empty());
}

TEST_CASE("a user that comes while the audio function moves keeps the GPU where it is") {
  World world{reference_laptop};
  world.hooks.progress = [&](std::size_t, StepState) {
    if (world.kernel.driver_of(audio) == "vfio-pci") world.kernel.used(gpu);
  };
  const auto outcome = world.run(world.attach());
  CHECK(outcome.error == ErrorCode::blocked);
  CHECK(world.kernel.driver_of(gpu) == "nvidia");
  CHECK(world.not_home().empty());
}

TEST_CASE("a step that comes back after its deadline is taken back, and the outcome says so") {
  World world{reference_laptop};
  const auto unbind = effect_of_attach(reference_laptop, "unbinding from nvidia");
  world.kernel.faults().at(unbind, {FaultKind::late});
  const auto outcome = world.run(world.attach());
  CHECK(outcome.ending == Ending::rolled_back);
  CHECK(outcome.error == ErrorCode::timed_out);
  CHECK(outcome.healed);
  CHECK(outcome.message == "0000:01:00.0: unbind took 3600 s.");
  CHECK(world.not_home().empty());
}

TEST_CASE("a late step ends nothing when the caller goes on with it") {
  World world{reference_laptop};
  const auto unbind = effect_of_attach(reference_laptop, "unbinding from nvidia");
  world.kernel.faults().at(unbind, {FaultKind::late});
  world.hooks.given_up = [] { return false; };
  CHECK(world.run(world.attach()).ending == Ending::succeeded);
  CHECK(world.not_on_vfio().empty());
}

TEST_CASE("a unit that other GPUs need and that does not start again keeps no GPU from its VM") {
  const auto attach = [](World& world) {
    world.machine.function("0000:42:00.0", {.id = laptop_gpu_id, .driver = "nvidia"});
    world.target.start_units = world.target.stop_units;
    return world.run(world.attach());
  };
  World rehearsal{reference_laptop};
  REQUIRE(attach(rehearsal).message.empty());
  World world{reference_laptop};
  world.kernel.faults().at(index_of(rehearsal, "restarting nvidia-persistenced.service"),
                           {FaultKind::error, EIO});
  const auto outcome = attach(world);
  CHECK(outcome.ending == Ending::succeeded);
  CHECK(
      outcome.message.starts_with("0000:01:00 is with VFIO. nvidia-persistenced.service was not started ("));
  CHECK_MESSAGE(world.not_on_vfio().empty(), text(world.not_on_vfio()));
}

TEST_CASE("what other GPUs need is not started where none of them is left") {
  World world{reference_laptop};
  world.target.start_units = world.target.stop_units;
  const auto outcome = world.run(world.attach());
  CHECK(outcome.ending == Ending::succeeded);
  CHECK(outcome.message.empty());
  CHECK(world.kernel.units().empty());
}

TEST_CASE("a rollback that fails says what is left, and keeps the journal for recovery") {
  World world{reference_laptop};
  const auto outcome = attach_and_meet_on_the_way_back(world, "binding to nvidia", ENOMEM);
  CHECK(outcome.ending == Ending::failed);
  CHECK(outcome.error == ErrorCode::rollback_failed);
  REQUIRE(outcome.left.size() == 1);
  CHECK(outcome.left[0] == "0000:01:00.0: binding to nvidia: Cannot allocate memory (ENOMEM)");
  CHECK(world.kernel.driver_of(audio) == "snd_hda_intel");
  CHECK_FALSE(world.journal_empty());
  REQUIRE(world.recover().size() == 1);
  CHECK_MESSAGE(world.not_home().empty(), text(world.not_home()));
  CHECK(world.journal_empty());
}

TEST_CASE("a rollback is one also where a unit does not start again, and says so") {
  World world{reference_laptop};
  const auto outcome = attach_and_meet_on_the_way_back(world, "starting nvidia-persistenced.service", EIO);
  CHECK(outcome.ending == Ending::rolled_back);
  CHECK(outcome.message.find("systemctl start nvidia-persistenced.service") != std::string::npos);
  CHECK(world.not_home() == std::vector<std::string>{"the unit is still stopped"});
  CHECK(world.journal_empty());
}

TEST_CASE("the GPU comes home without a unit that does not start and a module that does not load") {
  for (const auto* lost : {"restarting nvidia-persistenced.service", "loading nvidia_drm"}) {
    World rehearsal{four_function_card};
    REQUIRE(rehearsal.run(rehearsal.attach()).ending == Ending::succeeded);
    REQUIRE(rehearsal.run(rehearsal.release()).ending == Ending::succeeded);
    World world{four_function_card};
    REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
    const auto& seen = rehearsal.kernel.faults().seen();
    const auto effect = std::ranges::find(seen, lost) - seen.begin();
    world.kernel.faults().at(static_cast<std::size_t>(effect), {FaultKind::error, ENOENT});
    std::vector<StepState> ends;
    world.hooks.progress = [&](std::size_t, StepState state) {
      if (state != StepState::running) ends.push_back(state);
    };
    const auto outcome = world.run(world.release());
    CHECK(outcome.ending == Ending::succeeded);
    CHECK_FALSE(outcome.error);
    CHECK(std::ranges::count(ends, StepState::failed) == 1);
    CHECK(std::ranges::count(ends, StepState::undone) == 0);
    const auto unit = outcome.message.find("start it with: systemctl start nvidia-persistenced.service.");
    const auto module = outcome.message.find("load it with: modprobe nvidia_drm.");
    CHECK((unit != std::string::npos) == (std::string_view{lost}.starts_with("restarting")));
    CHECK((module != std::string::npos) == (std::string_view{lost}.starts_with("loading")));
    CHECK(outcome.message.starts_with("0000:01:00 is back on the host. "));
    CHECK(world.not_home().size() == 1);
    CHECK_FALSE(world.recorded());
    CHECK(world.journal_empty());
  }
}

TEST_CASE("a module that a driver lives in is not done without") {
  World world{reference_laptop};
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  world.machine.erase("sys/bus/pci/drivers/nvidia").erase("sys/module/nvidia");
  auto lost = world.release();
  for (auto& step : lost.plan)
    if (step.kind == StepKind::load_module) step.subject = "absent";
  const auto outcome = world.run(lost);
  CHECK(outcome.ending == Ending::rolled_back);
  CHECK(outcome.message.starts_with("module absent did not load"));
}

TEST_CASE("nothing is touched when the state cannot be written") {
  for (const std::size_t effect : {0, 1}) {
    World world{reference_laptop};
    world.kernel.faults().at(effect, {FaultKind::error, ENOSPC});
    const auto outcome = world.run(world.attach());
    CHECK(outcome.error == ErrorCode::state_unwritable);
    for (const auto& seen : world.kernel.faults().seen()) CHECK(seen.find("state") != std::string::npos);
    CHECK(world.not_home().empty());
    CHECK(world.journal_empty());
  }
}

TEST_CASE("a second operation is refused while the first has not been recovered") {
  World world{reference_laptop};
  world.kernel.faults().at(6, {FaultKind::crash_before});
  CHECK_THROWS_AS(world.run(world.attach()), Crash);
  CHECK(world.run(world.attach()).error == ErrorCode::busy);
  CHECK(world.recover().size() == 1);
  CHECK(world.run(world.attach()).ending == Ending::succeeded);
}

TEST_CASE("a cancelled operation is taken back at any step") {
  for (std::size_t at = 0;; ++at) {
    World world{reference_laptop};
    std::size_t asked = 0;
    world.hooks.cancelled = [&] { return asked++ == at; };
    const auto transaction = world.attach();
    const auto outcome = world.run(transaction);
    if (at == transaction.plan.size()) {
      CHECK(outcome.ending == Ending::succeeded);
      break;
    }
    CHECK(outcome.ending == Ending::cancelled);
    CHECK(outcome.error == ErrorCode::cancelled);
    CHECK(world.not_home().empty());
    CHECK(world.journal_empty());
  }
}

TEST_CASE("progress tells each step once, and which were undone") {
  World world{reference_laptop};
  std::vector<std::pair<std::size_t, StepState>> told;
  world.hooks.progress = [&](std::size_t step, StepState state) { told.emplace_back(step, state); };
  world.kernel.faults().at(effect_of_attach(reference_laptop, "unbinding from snd_hda_intel"),
                           {FaultKind::error, EIO});
  const auto transaction = world.attach();
  world.run(transaction);
  std::size_t failed = 0;
  while (transaction.plan[failed].kind != StepKind::unbind) ++failed;
  CHECK(told[2 * failed + 1] == std::pair(failed, StepState::failed));
  CHECK(told.back() == std::pair(std::size_t{0}, StepState::undone));
  CHECK(told.size() == 3 * failed + 2);
}

TEST_CASE("an outcome reads back in the daemon as the helper wrote it") {
  const Outcome outcome{Ending::failed, ErrorCode::rollback_failed, "GPU \xff → \"left\"", true, {"a", "b"}};
  auto read = decode_outcome(encode(outcome));
  CHECK(read.message.find("left") != std::string::npos);
  read.message = outcome.message;
  CHECK(read == outcome);
  CHECK(decode_outcome(encode({Ending::succeeded, {}, "", false, {}})) ==
        Outcome{Ending::succeeded, {}, "", false, {}});
  for (const auto* bad : {"", "{", "[]", "{}", R"({"ending":"well","message":"","healed":false,"left":[]})"})
    CHECK_THROWS_AS(decode_outcome(bad), Error);
}

TEST_CASE("device files that cannot be closed are no reason not to go on") {
  World world{reference_laptop};
  const auto closing = effect_of_attach(reference_laptop, "changing the mode of /dev/nvidia0 to 0000");
  world.kernel.faults().at(closing, {FaultKind::error, EROFS});
  CHECK(world.run(world.attach()).ending == Ending::succeeded);
  CHECK(world.not_on_vfio().empty());
}

TEST_CASE("whoever comes while the GPU goes finds its device files closed, and open afterwards") {
  World world{reference_laptop};
  bool closed = false;
  const auto transaction = world.attach();
  world.hooks.progress = [&](std::size_t step, StepState state) {
    const bool unbinds = transaction.plan.at(step).kind == StepKind::unbind && state == StepState::running;
    closed = closed || (unbinds && world.kernel.mode({"/dev/nvidia0", 195, 0, 0}) == 0U);
  };
  CHECK(world.run(transaction).ending == Ending::succeeded);
  CHECK(closed);
  CHECK(world.kernel.mode({"/dev/nvidia0", 195, 0, 0}) == 0666U);
}
