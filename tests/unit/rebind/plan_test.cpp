// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/plan.hpp"

#include <algorithm>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "rebind/live_state.hpp"
#include "world.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const PciAddress gpu_address{0, 1, 0, 0};
const PciAddress audio_address{0, 1, 0, 1};

Plan plain_attach(const World& world, const AttachTarget& target = {}) {
  return attach_plan(world.gpu(), world.snapshot(), world.drivers(), target);
}

std::size_t position(const Plan& plan, StepKind kind, const std::string& subject) {
  for (std::size_t i = 0; i < plan.size(); ++i)
    if (plan[i].kind == kind && plan[i].subject == subject) return i;
  FAIL("no step " << to_string(kind) << " " << subject);
  return 0;
}

bool has(const Plan& plan, StepKind kind) {
  return std::ranges::any_of(plan, [kind](const Step& s) { return s.kind == kind; });
}

}  // namespace

TEST_CASE(
    "attach pins power, overrides everywhere, checks users, and moves the GPU last; then it may sleep") {
  const World world{reference_laptop};
  CHECK(text(plain_attach(world)) ==
        "set-power-control 0000:01:00.1 from auto to on\n"
        "set-power-control 0000:01:00.0 from auto to on\n"
        "set-d3cold 0000:01:00.1 from 1 to 0\n"
        "set-d3cold 0000:01:00.0 from 1 to 0\n"
        "set-override 0000:01:00.1 to vfio-pci\n"
        "set-override 0000:01:00.0 to vfio-pci\n"
        "check-users 0000:01:00.0 to all functions\n"
        "check-present 0000:01:00.1 to 10de:2291\n"
        "unbind 0000:01:00.1 from snd_hda_intel\n"
        "set-d3cold 0000:01:00.1 from 0 to 1\n"
        "bind 0000:01:00.1 to vfio-pci\n"
        "check-present 0000:01:00.1 to 10de:2291\n"
        "check-users 0000:01:00.0\n"
        "check-present 0000:01:00.0 to 10de:25a0\n"
        "unbind 0000:01:00.0 from nvidia\n"
        "bind 0000:01:00.0 to vfio-pci\n"
        "check-present 0000:01:00.0 to 10de:25a0\n"
        "set-d3cold 0000:01:00.0 from 0 to 1\n");
}

TEST_CASE("release goes GPU first, by the recorded drivers, and restores overrides and power last") {
  World world{reference_laptop};
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  CHECK(text(world.release().plan) ==
        "vm-remove-devices 2b0b4d7e-0000-4000-8000-0000000000aa\n"
        "set-power-control 0000:01:00.0 from auto to on\n"
        "set-power-control 0000:01:00.1 from auto to on\n"
        "set-d3cold 0000:01:00.0 from 1 to 0\n"
        "set-d3cold 0000:01:00.1 from 1 to 0\n"
        "set-override 0000:01:00.0 from vfio-pci to nvidia\n"
        "set-override 0000:01:00.1 from vfio-pci to snd_hda_intel\n"
        "check-users 0000:01:00.0 to all functions\n"
        "check-present 0000:01:00.0 to 10de:25a0\n"
        "unbind 0000:01:00.0 from vfio-pci\n"
        "bind 0000:01:00.0 to nvidia\n"
        "check-present 0000:01:00.0 to 10de:25a0\n"
        "check-users 0000:01:00.1\n"
        "check-present 0000:01:00.1 to 10de:2291\n"
        "unbind 0000:01:00.1 from vfio-pci\n"
        "bind 0000:01:00.1 to snd_hda_intel\n"
        "check-present 0000:01:00.1 to 10de:2291\n"
        "set-override 0000:01:00.0 from nvidia\n"
        "set-override 0000:01:00.1 from snd_hda_intel\n"
        "set-d3cold 0000:01:00.0 from 0 to 1\n"
        "set-power-control 0000:01:00.0 from on to auto\n"
        "set-d3cold 0000:01:00.1 from 0 to 1\n"
        "set-power-control 0000:01:00.1 from on to auto\n"
        "start-unit nvidia-persistenced.service from anew to nvidia\n");
}

TEST_CASE("what holds already needs no plan") {
  World world{reference_laptop};
  CHECK(restore_plan(world.snapshot(), world.drivers(), world.home).empty());
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  CHECK(plain_attach(world).empty());
}

TEST_CASE("quiescing comes after the overrides and before the check for users; modules go after it") {
  const World world{four_function_card};
  const auto plan = plain_attach(world, world.target);
  const auto checked = position(plan, StepKind::check_users, "0000:01:00.0");
  CHECK(position(plan, StepKind::set_override, "0000:01:00.3") <
        position(plan, StepKind::stop_unit, world.target.stop_units[0]));
  CHECK(position(plan, StepKind::stop_unit, world.target.stop_units[0]) < checked);
  CHECK(checked < position(plan, StepKind::unload_module, "nvidia_drm"));
  CHECK(position(plan, StepKind::unload_module, "nvidia_drm") <
        position(plan, StepKind::unload_module, "nvidia_modeset"));
  CHECK(position(plan, StepKind::unload_module, "nvidia_modeset") <
        position(plan, StepKind::unbind, "0000:01:00.1"));
  CHECK(position(plan, StepKind::unbind, "0000:01:00.3") < position(plan, StepKind::unbind, "0000:01:00.0"));
}

TEST_CASE("units that other GPUs need are started again when the last function has moved, and only then") {
  const World world{reference_laptop};
  auto target = world.target;
  target.start_units = {"first.service", "second.service"};
  const auto plan = plain_attach(world, target);
  const auto again = position(plan, StepKind::start_unit, "second.service");
  CHECK(position(plan, StepKind::bind, "0000:01:00.0") < again);
  CHECK(position(plan, StepKind::start_unit, "first.service") == again + 1);
  CHECK(again + 1 < position(plan, StepKind::vm_add_devices, target.last.at(0).subject));
  CHECK_FALSE(has(plain_attach(world, world.target), StepKind::start_unit));
}

TEST_CASE("vfio-pci and a variant driver are loaded only where they are missing") {
  World world{reference_laptop};
  world.machine.erase("sys/bus/pci/drivers/vfio-pci");
  AttachTarget target;
  target.vfio_drivers = {{gpu_address, "nvgrace-gpu-vfio-pci"}};
  const auto plan = plain_attach(world, target);
  CHECK(plan[0] == Step{StepKind::load_module, "nvgrace_gpu_vfio_pci", "", "nvgrace-gpu-vfio-pci"});
  CHECK(plan[1] == Step{StepKind::load_module, "vfio_pci", "", "vfio-pci"});
  CHECK(plan[position(plan, StepKind::bind, "0000:01:00.0")].to == "nvgrace-gpu-vfio-pci");
}

TEST_CASE("a card that does not wake again is kept awake on vfio-pci") {
  const World world{reference_laptop};
  AttachTarget awake;
  awake.let_sleep = false;
  const auto plan = plain_attach(world, awake);
  CHECK(plan.back() == Step{StepKind::set_power_control, "0000:01:00.0", "auto", "on"});
  CHECK(std::ranges::count(plan, StepKind::set_d3cold, &Step::kind) == 2);
}

TEST_CASE("a function on vfio already is left alone") {
  World world{reference_laptop};
  world.machine.bind("0000:01:00.1", "vfio-pci");
  for (const auto& step : plain_attach(world)) CHECK(step.subject == "0000:01:00.0");
}

TEST_CASE("a function that had no driver gets none back") {
  World world{reference_laptop};
  world.machine.unbind("0000:01:00.1");
  world.home = record_binding(world.gpu(), world.snapshot(), world.drivers());
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  const auto plan = world.release().plan;
  for (const auto& step : plan) CHECK_FALSE((step.kind == StepKind::bind && step.subject == "0000:01:00.1"));
  REQUIRE(world.run(world.release()).ending == Ending::succeeded);
  CHECK(world.kernel.driver_of(audio_address).empty());
  CHECK(world.kernel.override_of(audio_address).empty());
}

TEST_CASE("a host driver whose module went away is loaded once the GPU is free to be probed") {
  World world{reference_laptop};
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  world.machine.erase("sys/bus/pci/drivers/nvidia").erase("sys/module/nvidia");
  const auto plan = world.release().plan;
  const auto loaded = position(plan, StepKind::load_module, "nvidia");
  CHECK(plan[loaded].to == "nvidia");
  CHECK(position(plan, StepKind::unbind, "0000:01:00.0") < loaded);
  CHECK(loaded < position(plan, StepKind::bind, "0000:01:00.0"));
  CHECK(world.run(world.release()).ending == Ending::succeeded);
  CHECK(world.kernel.driver_of(gpu_address) == "nvidia");
}

TEST_CASE("restoring starts from any state and ends in the recorded one") {
  for (const auto* gpu_driver : {"", "nvidia", "vfio-pci", "nouveau"})
    for (const auto* audio_driver : {"", "snd_hda_intel", "vfio-pci"})
      for (const auto* override_name : {"(null)", "vfio-pci", "none"}) {
        World world{reference_laptop};
        world.machine.unbind("0000:01:00.0").unbind("0000:01:00.1");
        if (*gpu_driver != 0) world.machine.bind("0000:01:00.0", gpu_driver);
        if (*audio_driver != 0) world.machine.bind("0000:01:00.1", audio_driver);
        world.machine.set("0000:01:00.0", "driver_override", override_name);
        world.machine.set("0000:01:00.1", "power/control", "on");
        auto t = world.release();
        t.plan = restore_plan(world.snapshot(), world.drivers(), world.home);
        CHECK(world.run(t).ending == Ending::succeeded);
        CHECK(world.not_home().empty());
      }
}

TEST_CASE("another card at a recorded address is not touched") {
  World world{reference_laptop};
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  world.home.functions[0].id.device = 0x2684;
  for (const auto& step : restore_plan(world.snapshot(), world.drivers(), world.home))
    CHECK(step.subject != "0000:01:00.0");
}

TEST_CASE("a release that is taken back leaves the services to the GPUs that had them") {
  World world{reference_laptop};
  REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
  const auto t = world.release();
  const auto back = rollback_plan(t.plan, world.snapshot(), world.drivers(), t.before);
  CHECK(position(back, StepKind::stop_unit, "nvidia-persistenced.service") <
        position(back, StepKind::start_unit, "nvidia-persistenced.service"));
  CHECK(back.back() == Step{StepKind::start_unit, "nvidia-persistenced.service", for_others, "nvidia"});
}

TEST_CASE("a rollback takes non-binding steps back last first, with the bindings where they began") {
  World world{reference_laptop};
  const auto t = world.attach();
  const auto back = rollback_plan(t.plan, world.snapshot(), world.drivers(), t.before);
  CHECK(text(back) ==
        "vm-remove-devices 2b0b4d7e-0000-4000-8000-0000000000aa\n"
        "open-nodes 0000:01:00.0 to /dev/nvidia0 195:0 0666, /dev/dri/card1 226:1 0660, /dev/snd/controlC1 "
        "116:7 0660\n"
        "drm-add card1\n"
        "start-unit nvidia-persistenced.service to nvidia\n");
  REQUIRE(world.run(t).ending == Ending::succeeded);
  const auto from_vfio = rollback_plan(t.plan, world.snapshot(), world.drivers(), t.before);
  CHECK(from_vfio.front().kind == StepKind::vm_remove_devices);
  CHECK(position(from_vfio, StepKind::bind, "0000:01:00.1") <
        position(from_vfio, StepKind::drm_add, "card1"));
  CHECK_FALSE(has(from_vfio, StepKind::check_present));
}

TEST_CASE(
    "device files are closed before anybody looks at users, and open again when the last driver has gone") {
  World world{reference_laptop};
  AttachTarget target;
  target.nodes = world.nodes;
  const auto plan = attach_plan(world.gpu(), world.snapshot(), world.drivers(), target);
  const auto closed = position(plan, StepKind::close_nodes, "0000:01:00.0");
  CHECK(plan[closed + 1] == Step{StepKind::check_users, "0000:01:00.0", "", all_functions});
  CHECK(plan[closed].to ==
        "/dev/nvidia0 195:0 0666, /dev/dri/card1 226:1 0660, /dev/snd/controlC1 116:7 0660");
  const auto unbound = position(plan, StepKind::unbind, "0000:01:00.0");
  CHECK(plan[unbound + 1] == Step{StepKind::open_nodes, "0000:01:00.0", "", plan[closed].to});
  CHECK(position(plan, StepKind::unbind, "0000:01:00.1") > closed);
}

TEST_CASE("on every way back the device files are opened once and closed never") {
  for (const auto how : {Revival::none, Revival::reset, Revival::rescan}) {
    World world{reference_laptop};
    REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
    ReleaseTarget target;
    target.revival = how;
    target.nodes = {{"/dev/vfio/15", 243, 0, 0600}};
    const auto plan = release_plan(world.gpu(), world.snapshot(), world.drivers(), world.home, target);
    const auto closed = position(plan, StepKind::close_nodes, "0000:01:00.0");
    CHECK(plan[closed + 1].kind == StepKind::check_users);
    CHECK(position(plan, StepKind::open_nodes, "0000:01:00.0") >
          position(plan, StepKind::unbind, "0000:01:00.1"));
    const auto back = rollback_plan(plan, world.snapshot(), world.drivers(), world.home);
    CHECK_FALSE(has(back, StepKind::close_nodes));
    CHECK(std::ranges::count(back, StepKind::open_nodes, &Step::kind) == 1);
  }
}
