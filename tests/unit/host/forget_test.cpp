// SPDX-License-Identifier: GPL-2.0-or-later
// What is left of the boot's configuration when the package goes.
#include <algorithm>
#include <fstream>

#include <doctest/doctest.h>

#include "boot_policy_host.hpp"
#include "core/error.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const std::string hook = "etc/initramfs-tools/hooks/gpuctl";
const std::string grub_drop_in_file = "etc/default/grub.d/90-gpuctl.cfg";
const std::string old_setup = "options vfio-pci ids=10de:25a0,10de:2291\n";

/// With a confirmed policy in the initramfs, lines put out of action for it, and a kernel argument.
struct ConfiguredHost : PolicyHost {
  std::map<std::string, std::string> before;

  ConfiguredHost() {
    machine.file("etc/modprobe.d/vfio.conf", old_setup)
        .file("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n")
        .file("usr/sbin/update-grub", "")
        .file("usr/sbin/grub-mkconfig", "for x in /etc/default/grub.d/*.cfg ; do . $x; done\n")
        .file("sys/firmware/acpi/tables/DMAR", "")
        .cmdline("quiet");
    systemd.run_once_for_a_settled_tree("grub-drop-in");
    before = configuration_of(root);
    set("vm", true);
    boot("boot-b");
    service.apply_boot_policy(snapshot);
    service.confirm_boot_policy(gpu());
    service.enable_kernel_arguments({});
    for (const auto& path : {confirmed_rules, hook, grub_drop_in_file}) REQUIRE(root.exists(path));
  }
  void nothing_is_left() {
    for (const auto& path : {confirmed_rules, hook, grub_drop_in_file}) CHECK_FALSE(root.exists(path));
    CHECK(read_exactly(root, "etc/modprobe.d/vfio.conf") == old_setup);
  }
};

}  // namespace

TEST_CASE("nothing of gpuctl's stays when it is told to forget") {
  ConfiguredHost host;
  host.service.forget();
  CHECK(configuration_of(host.root) == host.before);
  CHECK(host.root.list("var/lib/gpuctl").empty());
}

TEST_CASE("an initramfs that cannot be made anew keeps nothing else, and is named with what makes it") {
  ConfiguredHost host;
  host.systemd.failing = "update-initramfs";
  CHECK_THROWS_WITH_AS(host.service.forget(), doctest::Contains("until `sudo update-initramfs -u -k all`"),
                       Error);
  host.nothing_is_left();
  CHECK(configuration_of(host.root) == host.before);
  CHECK(host.root.list("var/lib/gpuctl").empty());
}

TEST_CASE("a boot menu that cannot be made anew does not bring the drop-in back") {
  ConfiguredHost host;
  host.machine.file("boot/grub/grub.cfg", "# a kernel came\n");
  host.systemd.failing = "update-grub";
  CHECK_THROWS_AS(host.service.forget(), Error);
  host.nothing_is_left();
}

TEST_CASE("a boot menu that cannot be made anew keeps no earlier change of the kernel arguments") {
  ConfiguredHost host;
  host.service.enable_kernel_arguments({.passthrough = true});
  host.machine.file("boot/grub/grub.cfg", "# a kernel came\n");
  host.systemd.failing = "update-grub";
  CHECK_THROWS_WITH_AS(host.service.forget(), doctest::Contains("gpuctl-apply@kernel-arguments"), Error);
  CHECK(std::ranges::count(host.systemd.commands, "/usr/sbin/update-grub") == 4);
  host.nothing_is_left();
  CHECK(host.root.list("var/lib/gpuctl").empty());
}

TEST_CASE("policies that nobody can read keep neither rule nor argument") {
  ConfiguredHost host;
  std::ofstream{host.systemd.paths().state / "boot-policy.json"} << "{";
  CHECK_THROWS_AS(host.service.forget(), Error);
  for (const auto& path : {confirmed_rules, hook, grub_drop_in_file}) CHECK_FALSE(host.root.exists(path));
}
