// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/node_match.hpp"

#include <doctest/doctest.h>

#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

struct Laptop {
  Laptop() { reference_laptop(machine); }
  NodeMatch match() const {
    const RootDir root{machine.root()};
    return {root,
            device_nodes(root, {*PciAddress::parse("0000:01:00.0"), *PciAddress::parse("0000:01:00.1")})};
  }
  FakeMachine machine;
};

}  // namespace

TEST_CASE("fdinfo names the GPU of a DRM client or a VFIO device, and no other") {
  const Laptop laptop;
  const auto match = laptop.match();
  const auto drm =
      match.by_fdinfo("pos:\t0\ndrm-driver:\tnouveau\ndrm-pdev:\t0000:01:00.0\ndrm-client-id:\t7\n");
  REQUIRE(drm);
  CHECK(drm->path == "DRM device of 0000:01:00.0");
  const auto vfio =
      match.by_fdinfo("vfio-device-syspath: /sys/devices/pci0000:00/0000:00:10.0/0000:01:00.1\n");
  REQUIRE(vfio);
  CHECK(vfio->path == "VFIO device of 0000:01:00.1");
  for (const auto* other :
       {"drm-pdev:\t0000:00:02.0\n", "drm-pdev:\t0000:01:00.00\n", "not-drm-pdev:\t0000:01:00.0\n",
        "vfio-device-syspath: /sys/devices/pci0000:00/0000:00:10.0\n", "drm-pdev:", ""})
    CHECK_MESSAGE(!match.by_fdinfo(other), other);
}

TEST_CASE("a path fits as a whole, not by its beginning or end") {
  const Laptop laptop;
  const auto match = laptop.match();
  for (const auto* path : {"/dev/dri/card1", "/dev/dri/card1 (deleted)", "/srv/x/dev/dri/card1",
                           "/dev/nvidia0", "/dev/nvidia17"})
    CHECK_MESSAGE(match.by_path(path), path);
  for (const auto* path :
       {"/dev/dri/card10", "/dev/dri/card1/x", "dri/card1", "/dev/nvidia", "/dev/nvidia-caps/nvidia-cap1",
        "/dev/nvidia999", "/dev/nvidia99999999999999999999", "", "/dev/"})
    CHECK_MESSAGE(!match.by_path(path), path);
}

TEST_CASE("a number fits only a node of the same sort") {
  Laptop laptop;
  laptop.machine.file(laptop.machine.directory("0000:01:00.0") + "/usb3/block/sdb/dev", "8:16\n");
  const auto match = laptop.match();
  CHECK(match.by_number(8, 16, true));
  CHECK_FALSE(match.by_number(8, 16, false));
  CHECK(match.by_number(226, 1, false));
  CHECK_FALSE(match.by_number(226, 0, false));
  CHECK_FALSE(match.by_number(4000, 0, false));
}

TEST_CASE("of maps only lines with device paths are looked at") {
  const Laptop laptop;
  const auto paths = laptop.match().device_paths(
      "7f00-7f01 r--p 0 08:01 1 /usr/lib/libdev.so\n7f00-7f01 rw-s 0 00:05 1 /dev/nvidia0\n7f00-7f01 rw-s 0 "
      "00:01 2 /srv/dev/x y\n"
      "7f00-7f01 rw-s 0 00:15 9 /sys/devices/pci0000:00/0000:01:00.0/resource1\nabcd /dev/tail");
  REQUIRE(paths.size() == 4);
  CHECK(paths[0] == "/dev/nvidia0");
  CHECK(paths[1] == "/srv/dev/x y");
  CHECK(paths[2] == "/dev/tail");
  CHECK(paths[3] == "/sys/devices/pci0000:00/0000:01:00.0/resource1");
}
