// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/quiesce.hpp"

#include <algorithm>
#include <thread>

#include <doctest/doctest.h>

#include "host/holder_remedies.hpp"
#include "support/fake_process.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

using Strings = std::vector<std::string>;

DeviceUser holder(pid_t pid, std::string comm, std::string what, NodeKind node, std::string unit = "") {
  DeviceUser user;
  user.pid = pid;
  user.comm = std::move(comm);
  user.what = std::move(what);
  user.node = node;
  user.owner.unit = std::move(unit);
  explain(user);
  return user;
}
DeviceUser on_card(pid_t pid, std::string comm) {
  return holder(pid, std::move(comm), "/dev/dri/card1", NodeKind::drm);
}
DeviceUser on_nvidia(pid_t pid, std::string comm, std::string unit = "") {
  return holder(pid, std::move(comm), "/dev/nvidia0", NodeKind::nvidia, std::move(unit));
}

QuiesceFacts secondary(std::set<pid_t> on_both = {}) {
  QuiesceFacts facts;
  facts.drm_cards = {"card1"};
  facts.on_other_card = std::move(on_both);
  facts.bound_to_nvidia = true;
  facts.nvidia_drm = {{595, 45, 4}, true, true, true};
  return facts;
}

}  // namespace

TEST_CASE("udev is waited for, if it is udev") {
  FakeMachine machine;
  reference_laptop(machine);
  const RootDir root{machine.root()};
  const std::vector card{*PciAddress::parse("0000:01:00.0")};
  const auto worker = [&](unsigned uid) {
    add_process(machine, {.pid = 30, .comm = "(udev-worker)", .uid = uid, .descriptors = {"/dev/dri/card1"}});
  };
  worker(0);
  auto users = device_users(root, card);
  REQUIRE(users.size() == 1);
  CHECK(users[0].will_let_go);
  users = users_once_settled(root, card, {}, std::chrono::milliseconds{50});
  REQUIRE(users.size() == 1);
  CHECK_FALSE(users[0].will_let_go);
  std::jthread udev{[&] { machine.erase("proc/30/fd/0"); }};
  CHECK(users_once_settled(root, card, {}, std::chrono::seconds{60}).empty());
  udev.join();
  end_process(machine, 30);
  worker(1000);
  CHECK(users_once_settled(root, card, {}, std::chrono::seconds{60}).size() == 1);
  CHECK_FALSE(is_udev(device_users(root, card).at(0)));
}

TEST_CASE("nobody there: nothing is stopped, sent or unloaded") {
  CHECK(quiesce_plan({}, secondary(), {}) == QuiescePlan{});
}

TEST_CASE("only units of the allow-list that hold this GPU are stopped") {
  const DeviceUsers users{on_nvidia(10, "nvidia-persiste", "nvidia-persistenced.service"),
                          on_nvidia(11, "nvidia-powerd", "nvidia-powerd.service"),
                          on_nvidia(12, "ollama", "ollama.service")};
  const auto plan = quiesce_plan(users, secondary(), {});
  CHECK(plan.units == Strings{"nvidia-persistenced.service", "nvidia-powerd.service"});
  CHECK(plan.leaving == std::set<pid_t>{10, 11});
  CHECK(quiesce_plan(users, secondary(), {.stop_units = {"olla*.service"}}).units ==
        Strings{"ollama.service"});
  CHECK(quiesce_plan(users, secondary(), {.stop_units = {}}).units.empty());
}

TEST_CASE("a daemon that only has the control node of all GPUs is left running") {
  auto user = on_nvidia(10, "nvidia-persiste", "nvidia-persistenced.service");
  user.shared = true;
  CHECK(quiesce_plan({user}, secondary(), {}).units.empty());
}

TEST_CASE("the remove event is sent only where every compositor on the card survives it") {
  struct Case {
    const char* name;
    DeviceUsers users;
    QuiesceFacts facts;
    bool sent;
  };
  auto boot = secondary({20});
  boot.boot_vga = true;
  auto told = secondary({20});
  told.started_on_this = {20};
  const Case cases[] = {
      {"KWin with another card", {on_card(20, "kwin_wayland")}, secondary({20}), true},
      {"KWin with this card only", {on_card(20, "kwin_wayland")}, secondary(), false},
      {"KWin, and the firmware's console is here", {on_card(20, "kwin_wayland")}, boot, false},
      {"KWin told to start here", {on_card(20, "kwin_wayland")}, told, false},
      {"sway with another card", {on_card(20, "sway")}, secondary({20}), true},
      {"mutter never lets go", {on_card(20, "gnome-shell")}, secondary({20}), false},
      {"Xorg", {on_card(20, "Xorg")}, secondary({20}), false},
      {"Hyprland", {on_card(20, "Hyprland")}, secondary({20}), false},
      {"a second session's mutter",
       {on_card(20, "kwin_wayland"), on_card(21, "gnome-shell")},
       secondary({20, 21}),
       false},
      {"logind alone", {on_card(30, "systemd-logind"), on_card(1, "systemd")}, secondary(), true},
      {"a program alone does not listen", {on_card(40, "glxgears")}, secondary(), false},
      {"KWin with the GPU but not its card", {on_nvidia(20, "kwin_wayland")}, secondary({20}), false},
  };
  for (const auto& c : cases)
    CHECK_MESSAGE(!quiesce_plan(c.users, c.facts, {}).drm_cards.empty() == c.sent, c.name);
  CHECK(
      quiesce_plan({on_card(20, "kwin_wayland")}, secondary({20}), {.drm_remove = false}).drm_cards.empty());
}

TEST_CASE("modules are unloaded only where unbind cannot work otherwise and no other GPU needs them") {
  auto facts = secondary();
  const Strings both{"nvidia_drm", "nvidia_modeset"};
  CHECK(quiesce_plan({}, facts, {}).modules.empty());
  facts.nvidia_drm.version = {550, 163, 1};
  CHECK(quiesce_plan({}, facts, {}).modules == both);
  CHECK(quiesce_plan({}, facts, {.unload_modules = false}).modules.empty());
  facts.other_nvidia_gpu = true;
  CHECK(quiesce_plan({}, facts, {}).modules.empty());
  facts.other_nvidia_gpu = false;
  facts.nvidia_drm.modeset = false;
  CHECK(quiesce_plan({}, facts, {}).modules.empty());
  facts.nvidia_drm.modeset = true;
  facts.bound_to_nvidia = false;
  CHECK(quiesce_plan({}, facts, {}).modules.empty());
}

TEST_CASE("after the plan those who leave are no blockers, the others are") {
  const DeviceUsers users{on_nvidia(10, "nvidia-persiste", "nvidia-persistenced.service"),
                          on_nvidia(12, "steam")};
  const auto plan = quiesce_plan(users, secondary(), {});
  const auto problems = user_problems(after(plan, users), Force::no);
  REQUIRE(problems.size() == 2);
  CHECK(problems[0].severity == Severity::info);
  CHECK(problems[1].severity == Severity::blocker);
}

TEST_CASE(
    "facts: KWin's other card, its environment, the console and other NVIDIA GPUs are read from the "
    "machine") {
  FakeMachine machine;
  reference_laptop(machine);
  const std::vector functions{*PciAddress::parse("0000:01:00.0"), *PciAddress::parse("0000:01:00.1")};
  add_process(machine,
              {.pid = 20, .comm = "kwin_wayland", .descriptors = {"/dev/dri/card0", "/dev/dri/card1"}});
  machine.file("proc/20/environ",
               std::string("HOME=/root\0KWIN_DRM_DEVICES=/dev/dri/card1:/dev/dri/card0\0", 58));
  const RootDir root{machine.root()};
  const auto nodes = device_nodes(root, functions);
  const auto facts = quiesce_facts(root, nodes, device_users(root, nodes));
  CHECK(facts.drm_cards == Strings{"card1"});
  CHECK_FALSE(facts.boot_vga);
  CHECK(facts.on_other_card == std::set<pid_t>{20});
  CHECK(facts.started_on_this == std::set<pid_t>{20});
  CHECK(facts.bound_to_nvidia);
  CHECK_FALSE(facts.other_nvidia_gpu);
  machine.file("proc/20/environ", std::string("KWIN_DRM_DEVICES=/dev/dri/card0:/dev/dri/card1\0", 47));
  CHECK(quiesce_facts(root, nodes, device_users(root, nodes)).started_on_this.empty());
  const auto started_here = [&](const std::string& first) {
    machine.file("proc/20/environ", "KWIN_DRM_DEVICES=" + first + ":/dev/dri/card1" + '\0');
    return quiesce_facts(root, nodes, device_users(root, nodes)).started_on_this.contains(20);
  };
  const std::string dri = "proc/20/root/dev/dri/";  // and nowhere else, as in the sandbox of gpuctld
  machine.link(dri + "nvidia", dri + "card1").link(dri + "by-path/pci-0000:00:02.0-card", dri + "card0");
  machine.link(dri + "igpu", dri + "card0");
  CHECK(started_here("/dev/dri/nvidia"));
  CHECK_FALSE(started_here("/dev/dri/igpu"));
  CHECK_FALSE(started_here("/dev/dri/by-path/pci-0000\\:00\\:02.0-card"));
  CHECK(started_here("/dev/dri/by-path/pci-0000:00:02.0-card"));  // to the first colon, where nothing is
  CHECK(started_here("/home/me/card"));
}

TEST_CASE("the users are settled at once when nobody is waited for, and late when somebody stays") {
  FakeMachine machine;
  reference_laptop(machine);
  const std::vector functions{*PciAddress::parse("0000:01:00.0")};
  add_process(machine, {.pid = 20, .comm = "kwin_wayland", .descriptors = {"/dev/dri/card1"}});
  const RootDir root{machine.root()};
  const auto begin = std::chrono::steady_clock::now();
  CHECK(users_once_settled(root, functions, {}, std::chrono::seconds{60}).size() == 1);
  CHECK(users_once_settled(root, functions, {20}, std::chrono::milliseconds{50}).size() == 1);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{30});
  end_process(machine, 20);
  CHECK(users_once_settled(root, functions, {20}, std::chrono::seconds{60}).empty());
}
