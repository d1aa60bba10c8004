// SPDX-License-Identifier: GPL-2.0-or-later
// Which mechanism a system has, where more than one could be meant.
#include "host/boot_loader.hpp"

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "kernel_args_host.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const std::string bls = "boot/efi/loader/entries/";
const auto of_system = bls + "system-opensuse-tumbleweed-6.15.8-1-default-1.conf";
const auto of_snapshot = bls + "snapper-opensuse-tumbleweed-6.15.8-1-default-2.conf";

bool has_argument(const ArgumentsHost& host, const std::string& path) {
  return host.root.text(path).find("intel_iommu=on") != std::string::npos;
}

}  // namespace

TEST_CASE("what gpuctl does not know it explains instead of changing it") {
  ArgumentsHost nix{"arch"};
  nix.machine().file("etc/NIXOS", "");
  CHECK_THROWS_WITH_AS(nix.arguments.plan({}), doctest::Contains("boot.kernelParams"), Error);
  ArgumentsHost limine{"arch"};
  make_loader(limine.machine(), "Limine 9.2.0");
  CHECK_THROWS_WITH_AS(limine.arguments.plan({}), doctest::Contains("how Limine 9.2.0 keeps"), Error);
  CHECK(limine.arguments.state().mechanism == "manual");
  CHECK(limine.arguments.state().advice ==
        "the IOMMU is off; `gpuctl kernel-args plan` says what to do by hand");
}

TEST_CASE("a GRUB that is only left over is not changed, for the kernel was started by something else") {
  for (const auto* part : {"arch", "debian-13", "fedora-42"}) {
    CAPTURE(part);
    ArgumentsHost host{part};
    const auto by_grub = host.arguments.state().mechanism;
    host.machine().cmdline("root=UUID=x rw initrd=\\boot\\initramfs-linux.img");
    CHECK(host.arguments.state().mechanism == by_grub);  // no EFI: not from there
    host.machine().file("sys/firmware/efi/fw_platform_size", "64\n");
    const auto before = configuration_of(host.root);
    CHECK_THROWS_WITH_AS(host.arguments.enable({}), doctest::Contains("this boot loader keeps"), Error);
    CHECK(configuration_of(host.root) == before);
    CHECK(host.arguments.state().mechanism == "manual");
    make_loader(host.machine(), "GRUB 2.12");
    CHECK(host.arguments.state().mechanism == by_grub);
  }
}

TEST_CASE("what cannot be read says nothing against GRUB") {
  ArgumentsHost host{"debian-13"};
  host.machine().file("sys/firmware/efi/fw_platform_size", "64\n").erase("proc/cmdline");
  CHECK(host.arguments.state().mechanism == "grub-drop-in");
}

TEST_CASE("entries that sdboot-manage will make anew are left to it, with what to tell it") {
  ArgumentsHost host{"cachyos"};
  make_systemd_boot(host.machine());
  const auto before = configuration_of(host.root);
  CHECK_THROWS_WITH_AS(
      host.arguments.enable({}),
      doctest::Contains("add \"intel_iommu=on\" to LINUX_OPTIONS in /etc/sdboot-manage.conf by "
                        "hand, then run `sudo sdboot-manage gen` and reboot"),
      Error);
  CHECK(configuration_of(host.root) == before);
  host.machine().file("etc/sdboot-manage.conf", "NO_AUTOGEN=\"yes\"\n");
  CHECK(host.arguments.state().mechanism == "loader-entries");
}

TEST_CASE("sdbootutil's entries of the running system get the argument, those of its snapshots do not") {
  ArgumentsHost host{"opensuse-bls"};
  CHECK(host.arguments.enable({}) == "added intel_iommu=on; reboot to make it count");
  CHECK(has_argument(host, of_system));
  CHECK_FALSE(has_argument(host, of_snapshot));
  CHECK(host.root.text("etc/default/grub").find("intel_iommu=on") == std::string::npos);
}

TEST_CASE("undo takes it out of the running system's entries, whatever snapshots were taken since") {
  ArgumentsHost host{"opensuse-bls"};
  host.arguments.enable({});
  auto taken = read_exactly(host.root, of_system).value();
  taken.replace(taken.find("/1/snapshot"), 2, "/3");
  const auto later = bls + "snapper-opensuse-tumbleweed-6.15.8-1-default-3.conf";
  host.machine().file(later, taken);
  CHECK(host.arguments.undo() == "removed intel_iommu=on; reboot to make it count");
  CHECK_FALSE(has_argument(host, of_system));
  CHECK(has_argument(host, later));
  CHECK_FALSE(host.arguments.state().changed_by_gpuctl);
}

TEST_CASE("a tool that leaves the running system's entry as it was is found out among snapshots, too") {
  ArgumentsHost host{"opensuse-bls"};
  host.systemd.silent = "sdbootutil";
  const auto before = configuration_of(host.root);
  CHECK_THROWS_WITH_AS(host.arguments.enable({}), doctest::Contains("it was taken back"), Error);
  CHECK(configuration_of(host.root) == before);
}

TEST_CASE("sdbootutil itself makes its entries anew on undo, and after it has failed half-way") {
  ArgumentsHost host{"opensuse-bls"};
  const std::vector<std::string> once{"/usr/bin/sdbootutil update-all-entries"};
  host.arguments.enable({});
  CHECK(host.systemd.commands == once);
  host.arguments.undo();
  CHECK(host.systemd.commands == std::vector<std::string>{once[0], once[0]});
  CHECK_FALSE(has_argument(host, of_system));
  host.systemd.failing = "sdbootutil";
  CHECK_THROWS_WITH_AS(host.arguments.enable({}), doctest::Contains("`gpuctl kernel-args undo` takes it out"),
                       Error);
  host.systemd.failing.clear();
  host.arguments.undo();
  CHECK(host.systemd.commands.size() == 4);
}

TEST_CASE("with an ordinary GRUB sdbootutil counts for nothing") {
  ArgumentsHost host{"opensuse-bls"};
  host.machine().file("etc/sysconfig/bootloader", "LOADER_TYPE=\"grub2-efi\"\n");
  CHECK(host.arguments.state().mechanism == "grub-defaults");
  host.machine().file("etc/sysconfig/bootloader", "LOADER_TYPE=\"systemd-boot\"\n");
  make_systemd_boot(host.machine());
  CHECK(host.arguments.state().mechanism == "kernel-install");
}
