// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include "host/device_users.hpp"
#include "host/holder_remedies.hpp"

using namespace gpuctl;

namespace {

DeviceUser program(pid_t pid, std::string comm, std::string what, NodeKind node = NodeKind::nvidia) {
  DeviceUser user;
  user.pid = pid;
  user.comm = std::move(comm);
  user.uid = 1000;
  user.what = std::move(what);
  user.node = node;
  user.function = *PciAddress::parse("0000:01:00.0");
  explain(user);
  return user;
}

}  // namespace

TEST_CASE("a process is one problem, with pid, command, all its files and the remedy") {
  auto first = program(4711, "steam", "/dev/nvidia0");
  first.owner.user_unit = "app-steam-1.scope";
  const auto problems =
      user_problems({first, program(4711, "steam", "/dev/dri/card1", NodeKind::drm)}, Force::no);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].id == "gpu-in-use");
  CHECK(problems[0].severity == Severity::blocker);
  CHECK(problems[0].subject == "0000:01:00.0");
  CHECK(problems[0].message == "steam (pid 4711, app-steam-1.scope) holds /dev/nvidia0, /dev/dri/card1.");
  CHECK(problems[0].remedy.find("Quit Steam") != std::string::npos);
}

TEST_CASE("forced, programs are warnings; compositors, machines and the kernel are not") {
  CHECK_FALSE(is_blocked(user_problems({program(7, "steam", "/dev/nvidia0")}, Force::yes)));
  for (const auto* comm : {"kwin_wayland", "gnome-shell", "sway", "Hyprland", "Xorg", "qemu-system-x86"})
    CHECK_MESSAGE(is_blocked(user_problems({program(2, comm, "/dev/nvidia0")}, Force::yes)), comm);
}

TEST_CASE("a user through a shared node alone is a warning, with its own node a blocker") {
  auto shared = program(9, "nvidia-settings", "/dev/nvidiactl", NodeKind::nvidia_shared);
  shared.shared = true;
  CHECK(user_problems({shared}, Force::no).at(0).severity == Severity::warning);
  CHECK(is_blocked(user_problems({shared, program(9, "nvidia-settings", "/dev/nvidia0")}, Force::no)));
}

TEST_CASE("processes that cannot be looked into block") {
  DeviceUser unreadable;
  unreadable.via = Via::unreadable;
  unreadable.what = "3 processes that may not be looked into";
  CHECK(user_problems({unreadable}, Force::yes).at(0).id == "gpu-users-unreadable");
  CHECK(is_blocked(user_problems({unreadable}, Force::yes)));
}

TEST_CASE("only root and a process's own user see its command line") {
  auto mine = program(1, "mpv", "/dev/nvidia0"), theirs = program(2, "mpv", "/dev/nvidia0");
  mine.command = theirs.command = "mpv secret.mkv";
  theirs.uid = 1001;
  const auto seen = visible_to(1000, {mine, theirs});
  CHECK(seen[0].command == "mpv secret.mkv");
  CHECK(seen[1].command.empty());
  CHECK(seen[1].comm == "mpv");
  CHECK(visible_to(0, {theirs})[0].command == "mpv secret.mkv");
}

TEST_CASE("names cut at 15 characters and wrapped programs are known") {
  CHECK(known_holder("nvidia-persiste", "")->kind == HolderKind::service);
  CHECK(known_holder("kwin_wayland_wr", "")->kind == HolderKind::compositor);
  CHECK(known_holder("gnome-shell-wra", "")->kind == HolderKind::compositor);
  CHECK(known_holder("MainThread", "/opt/steam/steam -silent")->kind == HolderKind::program);
  CHECK(known_holder("bash", "/bin/bash") == nullptr);
  CHECK(known_holder("", "") == nullptr);
}

TEST_CASE("a program that is not in the table has the remedy of the place it runs in") {
  auto user = program(3, "mystery", "/dev/nvidia0");
  user.owner.unit = "mystery.service";
  explain(user);
  CHECK(user.remedy == "Stop it: systemctl stop mystery.service");
  user.owner.container = "docker 0123456789ab";
  explain(user);
  CHECK(user.kind == HolderKind::container);
  CHECK(user.remedy.find("docker 0123456789ab") != std::string::npos);
}

TEST_CASE("a browser is sent to Mesa's GPU only from NVIDIA's: where Mesa has both that sends it nowhere") {
  CHECK(program(5, "chrome", "/dev/nvidia0").remedy ==
        "Close chrome, or start it on the other GPU only: "
        "__EGL_VENDOR_LIBRARY_FILENAMES=/usr/share/glvnd/egl_vendor.d/50_mesa.json chrome");
  CHECK(program(5, "chrome", "/dev/dri/renderD129", NodeKind::drm).remedy == "Close chrome.");
}

TEST_CASE("a compositor in a container is spared, and stopped with that") {
  auto user = program(3, "weston", "/dev/dri/card1");
  user.owner.container = "docker 0123456789ab";
  explain(user);
  CHECK(user.kind == HolderKind::compositor);
  CHECK(user.remedy == "Stop the container docker 0123456789ab, which uses the GPU.");
}

TEST_CASE("no remedy shows an unfilled place") {
  for (const auto* comm :
       {"kwin_wayland", "gnome-shell", "Xorg", "steam", "chrome", "python3", "fwupd", "qemu-kvm", "nvtop"})
    CHECK_MESSAGE(program(5, comm, "/dev/nvidia0").remedy.find("{p") == std::string::npos, comm);
}

TEST_CASE(
    "services that all GPUs of a driver or the VMs on them need are never ended, in a container either") {
  for (const auto* comm : {"nvidia-vgpu-mgr", "nvidia-vgpud", "nv-fabricmanage"})
    for (const auto* container : {"", "docker 0123456789ab"}) {
      auto user = program(3, comm, "/dev/nvidia0");
      user.owner.container = container;
      explain(user);
      CHECK_MESSAGE(user.kind == HolderKind::driver_service, comm);
      CHECK(user_problems({user}, Force::yes).at(0).severity == Severity::blocker);
    }
}
