// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/node_control.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>

#include <doctest/doctest.h>

#include "support/fake_machine.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const NodeMode null_device{"/dev/nvidia0", 1, 3, 0666};

/// The first process's /dev, with real device files in it; not everybody who builds may make those.
struct Dev {
  FakeMachine machine;
  RootDir root{machine.root()};
  DevNodeControl control{root};
  std::filesystem::path directory{machine.root() / "proc/1/root/dev"};
  bool possible{};

  Dev() {
    std::filesystem::create_directories(directory);
    const auto path = (directory / "nvidia0").string();
    possible = ::mknod(path.c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0 && ::chmod(path.c_str(), 0666) == 0;
    REQUIRE_MESSAGE((possible || ::geteuid() != 0), "root makes device files");
  }
};

}  // namespace

TEST_CASE("a device file's mode is changed where it is what it should be, and given back") {
  Dev dev;
  if (!dev.possible) return;
  CHECK(dev.control.mode(null_device) == 0666U);
  CHECK(dev.control.change(null_device, 0666, 0));
  CHECK(dev.control.mode(null_device) == 0U);
  CHECK_FALSE(dev.control.change(null_device, 0666, 0));
  CHECK(dev.control.change(null_device, 0, 0666));
  CHECK(dev.control.mode(null_device) == 0666U);
}

TEST_CASE("the minors of a driver's numbered files, and no other names") {
  Dev dev;
  for (const auto* name : {"nvidia12", "nvidia3", "nvidiactl", "nvidia-uvm", "nvidia1x", "xnvidia1"})
    std::filesystem::create_directory(dev.directory / name);
  std::filesystem::remove(dev.directory / "nvidia0");
  CHECK(dev.control.minors("/dev/nvidia") == std::vector<unsigned>{3, 12});
  CHECK(dev.control.minors("/dev/dri/card").empty());
}

TEST_CASE("a mode that somebody has set meanwhile is left alone") {
  Dev dev;
  if (!dev.possible) return;
  REQUIRE(dev.control.change(null_device, 0666, 0));
  ::chmod((dev.directory / "nvidia0").c_str(), 0640);
  CHECK_FALSE(dev.control.change(null_device, 0, 0666));
  CHECK(dev.control.mode(null_device) == 0640U);
}

TEST_CASE("another device of the same name, a link, a plain file and a missing one are none of ours") {
  Dev dev;
  std::filesystem::create_symlink("nvidia0", dev.directory / "linked");
  std::filesystem::create_directory(dev.directory / "plain");
  for (const auto& node : NodeModes{{"/dev/nvidia0", 1, 5, 0666},
                                    {"/dev/linked", 1, 3, 0666},
                                    {"/dev/plain", 1, 3, 0755},
                                    {"/dev/gone", 1, 3, 0666}}) {
    CHECK_FALSE(dev.control.mode(node));
    CHECK_FALSE(dev.control.change(node, node.mode, 0));
  }
}
