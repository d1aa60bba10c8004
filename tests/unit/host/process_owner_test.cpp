// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/process_owner.hpp"

#include <doctest/doctest.h>

#include "support/fake_process.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const std::string id64(64, 'a');

}  // namespace

TEST_CASE("a system service is known by its unit") {
  CHECK(owner_of("0::/system.slice/nvidia-persistenced.service\n") ==
        ProcessOwner{"nvidia-persistenced.service", "", "", "", ""});
  CHECK(owner_of("0::/system.slice/system-getty.slice/getty@tty1.service\n").unit == "getty@tty1.service");
}

TEST_CASE("a process of a session is known by session, one of the user's manager by its own unit") {
  const auto session = owner_of("0::/user.slice/user-1000.slice/session-2.scope\n");
  CHECK(session.session == "2");
  CHECK(session.unit == "session-2.scope");
  const auto app =
      owner_of("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-steam-4711.scope\n");
  CHECK(app.unit == "user@1000.service");
  CHECK(app.user_unit == "app-steam-4711.scope");
  CHECK(app.session.empty());
}

TEST_CASE("the first unit below the user's manager counts, not what that service nests") {
  const auto owner = owner_of(
      "0::/user.slice/user-1000.slice/user@1000.service/session.slice/plasma-kwin_wayland.service/sub/"
      "x.scope\n");
  CHECK(owner.user_unit == "plasma-kwin_wayland.service");
}

TEST_CASE("the older hierarchy with systemd's name is read too") {
  CHECK(owner_of("12:devices:/system.slice/a.service\n1:name=systemd:/system.slice/b.service\n0::/"
                 "system.slice/c.service\n")
            .unit == "b.service");
}

TEST_CASE("virtual machines and nspawn containers have their machine name, unescaped") {
  CHECK(owner_of("0::/machine.slice/machine-qemu\\x2d1\\x2dwin11.scope/libvirt/emulator\n").machine ==
        "qemu-1-win11");
  CHECK(owner_of("0::/machine.slice/systemd-nspawn@web.service/payload\n").machine == "web");
  CHECK(owner_of("0::/machine/qemu-2-dos.libvirt-qemu/emulator\n").machine == "qemu-2-dos");
}

TEST_CASE("containers are known by engine and short id") {
  CHECK(owner_of("0::/system.slice/docker-" + id64 + ".scope\n").container == "docker aaaaaaaaaaaa");
  CHECK(owner_of("0::/docker/" + id64 + "\n").container == "docker aaaaaaaaaaaa");
  CHECK(owner_of("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id64 +
                 ".scope/container\n")
            .container == "podman aaaaaaaaaaaa");
  CHECK(owner_of("0::/lxc.payload.media\n").container == "lxc media");
  CHECK(owner_of("0::/system.slice/docker.service\n").container.empty());
}

TEST_CASE("a strange or empty control group names nothing and breaks nothing") {
  for (const auto* text : {"", "0::/", "0::", ":::::", "0::////", "\n\n", "0::/machine-.scope"})
    CHECK_MESSAGE(owner_of(text).unit.size() <= 14, text);
}

TEST_CASE("unit escapes are undone, broken ones stay") {
  CHECK(unescape_unit("a\\x2db") == "a-b");
  CHECK(unescape_unit("a\\x2") == "a\\x2");
  CHECK(unescape_unit("a\\xzz") == "a\\xzz");
  CHECK(unescape_unit("\\x2f\\x2f") == "//");
}

TEST_CASE("what others chose as a name cannot reach a terminal or break D-Bus") {
  const auto owner = owner_of("0::/user.slice/user-7.slice/user@7.service/a\x1b[2J\xff.scope\n");
  CHECK(owner.user_unit == "a\\x1b[2J\\xff.scope");
  FakeMachine machine;
  add_process(machine, {.pid = 4, .comm = "a\x1b[31mb", .command = "b\nc\x7f gr\xc3\xbcn \xc3"});
  const auto info = process_info(RootDir{machine.root()}, 4);
  CHECK(info.comm == "a\\x1b[31mb");
  CHECK(info.command == "b\\x0ac\\x7f gr\xc3\xbcn \\xc3");
  CHECK(info.uid == 1000);
}
