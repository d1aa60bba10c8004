// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include "core/error.hpp"
#include "host/boot_files.hpp"
#include "kernel_args_host.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

TEST_CASE("a second wish is added to the first, and one undo takes both back") {
  ArgumentsHost host{"debian-13"};
  host.systemd.run_once_for_a_settled_tree("grub-drop-in");
  const auto before = configuration_of(host.root);
  host.arguments.enable({});
  host.arguments.enable({.passthrough = true});
  CHECK(host.root.text("etc/default/grub.d/90-gpuctl.cfg").ends_with(" intel_iommu=on iommu=pt\""));
  CHECK(host.arguments.undo() == "removed iommu=pt intel_iommu=on; reboot to make it count");
  CHECK(configuration_of(host.root) == before);
}

TEST_CASE("a tool that fails leaves the tree and the record as they were") {
  ArgumentsHost host{"debian-13"};
  host.systemd.failing = "update-grub";
  const auto before = configuration_of(host.root);
  CHECK_THROWS_WITH_AS(host.arguments.enable({}), doctest::Contains("journalctl"), Error);
  CHECK(configuration_of(host.root) == before);
  CHECK_FALSE(host.arguments.state().changed_by_gpuctl);
}

TEST_CASE("a tool that reports success and does nothing is found out, and the change is taken back") {
  ArgumentsHost host{"fedora-42"};
  const auto before = configuration_of(host.root);
  host.systemd.silent = "grubby";
  CHECK_THROWS_WITH_AS(host.arguments.enable({}),
                       doctest::Contains("do not have the change (added intel_iommu=on); it was taken back"),
                       Error);
  CHECK(configuration_of(host.root) == before);
  CHECK_FALSE(host.arguments.state().changed_by_gpuctl);
}

TEST_CASE("a change that is not there and cannot be taken back is kept, and named") {
  ArgumentsHost host{"fedora-42"};
  host.machine().file("boot/loader/entries/a.conf", "title Syst\xe8me\nlinux /v\noptions root=x\n");
  host.systemd.silent = "grubby";
  host.systemd.failing_with = "--remove-args=intel_iommu=on";
  CHECK_THROWS_WITH_AS(host.arguments.enable({}),
                       doctest::Contains("it was kept, for taking it back failed: "), Error);
  CHECK(host.arguments.state().changed_by_gpuctl);
}

TEST_CASE("what the first tool did is taken back when the second fails") {
  ArgumentsHost two{"debian-13"};
  with_kernel_install(two.machine());
  with_kernel(two.machine(), "6.13.1");
  two.systemd.failing_with = "6.13.1";
  ArgumentsHost fedora{"fedora-42"};
  for (const auto& path : find_entries(fedora.root)) {
    auto text = read_exactly(fedora.root, path).value();
    fedora.machine().file(path, with_options(text, {{"intel_iommu=off"}, {}}));
  }
  fedora.machine().cmdline("intel_iommu=off");
  fedora.systemd.failing_with = "--args=intel_iommu=on";
  for (auto* host : {&two, &fedora}) {
    const auto before = configuration_of(host->root);
    CHECK_THROWS_WITH_AS(host->arguments.enable({}), doctest::Contains("own words"), Error);
    CHECK(host->systemd.commands.size() == 2);
    CHECK(configuration_of(host->root) == before);
    CHECK_FALSE(host->arguments.state().changed_by_gpuctl);
  }
}

TEST_CASE("where that cannot be seen or put back, the record stays for an undo") {
  ArgumentsHost latin{"fedora-42"};
  latin.machine().file("boot/loader/entries/a.conf", "title Syst\xe8me\nlinux /v\noptions root=x\n");
  latin.machine().file("boot/loader/entries/b.conf", "linux /v\noptions root=x intel_iommu=off\n");
  for (const auto& path : find_entries(latin.root)) {
    auto text = read_exactly(latin.root, path).value();
    latin.machine().file(path, with_options(text, {{"intel_iommu=off"}, {}}));
  }
  latin.machine().cmdline("intel_iommu=off");
  latin.systemd.failing_with = "--args=intel_iommu=on";
  CHECK_THROWS_WITH_AS(latin.arguments.enable({}),
                       doctest::Contains("`gpuctl kernel-args undo` takes it out"), Error);
  CHECK(latin.root.text("boot/loader/entries/a.conf").find("intel_iommu=off") == std::string::npos);
  latin.arguments.undo();
  CHECK(latin.root.text("boot/loader/entries/a.conf").find("intel_iommu=off") != std::string::npos);
  CHECK_FALSE(latin.arguments.state().changed_by_gpuctl);
  ArgumentsHost image{"debian-13"};
  with_kernel_install(image.machine());
  image.machine().file("boot/efi/EFI/Linux/" + token + "-6.13.1.efi", "");
  image.systemd.failing = "kernel-install";
  CHECK_THROWS_WITH_AS(image.arguments.enable({}), doctest::Contains("a part of the change"), Error);
  CHECK(image.arguments.state().changed_by_gpuctl);
}

TEST_CASE("undo takes only its own argument out of a file that was edited since") {
  ArgumentsHost host{"arch"};
  host.arguments.enable({});
  auto text = host.root.text("etc/default/grub");
  text.replace(text.find("loglevel=3"), 10, "loglevel=7");
  host.machine().file("etc/default/grub", text + "\n");
  host.arguments.undo();
  CHECK(host.root.text("etc/default/grub").find("GRUB_CMDLINE_LINUX_DEFAULT=\"loglevel=7 quiet\"") !=
        std::string::npos);
}

TEST_CASE("undo puts the generated grub.cfg back byte for byte, without the tool") {
  ArgumentsHost host{"debian-13"};
  host.machine().file("boot/grub/grub.cfg",
                      "# by an older update-grub\n\tlinux\t/boot/vmlinuz root=UUID=x ro\n\n");
  const auto before = configuration_of(host.root);
  host.arguments.enable({});
  CHECK(configuration_of(host.root).at("boot/grub/grub.cfg").find("older") == std::string::npos);
  host.arguments.undo();
  CHECK(configuration_of(host.root) == before);
  CHECK(host.systemd.commands == std::vector<std::string>{"/usr/sbin/update-grub"});
}

TEST_CASE("a grub.cfg that is another one by now, or was none, is made again by the tool") {
  ArgumentsHost updated{"debian-13"};
  updated.machine().file("boot/grub/grub.cfg", "# old kernel\n");
  updated.arguments.enable({});
  updated.machine().file("boot/grub/grub.cfg", "# new kernel\n\tlinux\t/boot/new intel_iommu=on\n");
  updated.arguments.undo();
  CHECK(updated.systemd.commands.size() == 2);
  CHECK(updated.root.text("boot/grub/grub.cfg").find("intel_iommu=on") == std::string::npos);
  CHECK(updated.root.text("boot/grub/grub.cfg").find("old kernel") == std::string::npos);
  CHECK_FALSE(updated.root.exists("etc/default/grub.d/90-gpuctl.cfg"));
  ArgumentsHost none{"debian-13"};
  none.machine().erase("boot/grub/grub.cfg");
  none.arguments.enable({});
  none.arguments.undo();
  CHECK(none.root.exists("boot/grub/grub.cfg"));
  ArgumentsHost latin{"debian-13"};
  latin.machine().file("boot/grub/grub.cfg", "menuentry 'Syst\xe8me'\n");
  latin.arguments.enable({});
  latin.arguments.undo();
  CHECK(latin.systemd.commands.size() == 2);
}

TEST_CASE("a kernel that came after the change is without it after undo") {
  ArgumentsHost host{"debian-13"};
  with_kernel_install(host.machine());
  host.arguments.enable({});
  with_kernel(host.machine(), "6.13.1");
  host.machine().file(entries + token + "-6.13.1.conf", "linux /v\noptions root=UUID=x intel_iommu=on\n");
  host.arguments.undo();
  CHECK(host.systemd.commands.size() == 3);
  for (const auto& path : find_entries(host.root))
    CHECK(host.root.text(path).find("intel_iommu=on") == std::string::npos);
}

TEST_CASE("undo leaves kernel-install no running kernel's arguments to fall back on") {
  ArgumentsHost host{"debian-13"};
  with_kernel_install(host.machine());
  host.machine().erase("etc/kernel/cmdline").cmdline("root=UUID=x quiet");
  host.arguments.enable({});
  host.machine().cmdline("root=UUID=x quiet intel_iommu=on");
  with_kernel(host.machine(), "6.13.1");
  host.arguments.undo();
  CHECK(host.root.text("etc/kernel/cmdline") == "root=UUID=x quiet");
}

TEST_CASE("a tool that leaves the argument in place is found out by undo, which can be tried again") {
  ArgumentsHost host{"debian-13"};
  with_kernel_install(host.machine());
  host.arguments.enable({});
  with_kernel(host.machine(), "6.13.1");
  host.systemd.silent = "kernel-install";
  CHECK_THROWS_WITH_AS(host.arguments.undo(), doctest::Contains("are not as before"), Error);
  host.systemd.silent.clear();
  CHECK(host.arguments.undo() == "removed intel_iommu=on; reboot to make it count");
}
