// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include "core/error.hpp"
#include "kernel_args_host.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

struct Expected {
  const char* part;
  const char* mechanism;
  const char* command;
};

}  // namespace

TEST_CASE(
    "every mechanism adds the argument with the distribution's own tool, and undo gives the identical tree "
    "back") {
  for (const auto& [part, mechanism, command] : {
           Expected{"debian-12", "grub-drop-in", "/usr/sbin/update-grub"},
           Expected{"debian-13", "grub-drop-in", "/usr/sbin/update-grub"},
           Expected{"ubuntu-24.04", "grub-drop-in", "/usr/sbin/update-grub"},
           Expected{"arch", "grub-defaults", "/usr/bin/grub-mkconfig -o /boot/grub/grub.cfg"},
           Expected{"manjaro", "grub-defaults", "/usr/bin/grub-mkconfig -o /boot/grub/grub.cfg"},
           Expected{"opensuse", "grub-defaults", "/usr/sbin/grub2-mkconfig -o /boot/grub2/grub.cfg"},
           Expected{"opensuse-bls", "kernel-install", "/usr/bin/sdbootutil update-all-entries"},
           Expected{"fedora-42", "grubby", "/usr/bin/grubby --update-kernel=ALL --args=intel_iommu=on"},
           Expected{"pop-os", "kernelstub", "/usr/bin/kernelstub -a intel_iommu=on"},
           Expected{"bazzite", "rpm-ostree", "/usr/bin/rpm-ostree kargs --append-if-missing=intel_iommu=on"},
       }) {
    CAPTURE(part);
    ArgumentsHost host{part};
    host.systemd.run_once_for_a_settled_tree(mechanism);
    const auto before = configuration_of(host.root);
    CHECK(host.arguments.state().mechanism == mechanism);
    CHECK(host.arguments.state().needed == ArgumentChange{{"intel_iommu=on"}, {}});
    const auto plan = host.arguments.plan({});
    CHECK(plan.text().find("intel_iommu=on") != std::string::npos);
    CHECK(plan.text().find("# run: ") != std::string::npos);
    CHECK(configuration_of(host.root) == before);

    CHECK(host.arguments.enable({}) == "added intel_iommu=on; reboot to make it count");
    CHECK(host.systemd.commands == std::vector<std::string>{command});
    CHECK(host.systemd.units == std::vector<std::string>{"gpuctl-apply@kernel-arguments.service"});
    CHECK(contains(host.arguments.state().configured, "intel_iommu=on"));
    CHECK(host.arguments.state().reboot_needed);
    CHECK(host.root.list("run/gpuctl/apply").empty());

    CHECK(host.arguments.undo() == "removed intel_iommu=on; reboot to make it count");
    CHECK(configuration_of(host.root) == before);
    CHECK_FALSE(host.arguments.state().changed_by_gpuctl);
    CHECK_FALSE(host.root.exists("var/lib/gpuctl/kernel-args.json"));
  }
}

TEST_CASE("a file that is no UTF-8 is left alone, and named") {
  ArgumentsHost host{"arch"};
  const auto text = "# M\xfcnchen\n" + read_exactly(host.root, "etc/default/grub").value();
  host.machine().file("etc/default/grub", text);
  CHECK_THROWS_WITH_AS(host.arguments.enable({}), doctest::Contains("/etc/default/grub has bytes"), Error);
  CHECK(read_exactly(host.root, "etc/default/grub") == text);
  CHECK(host.systemd.commands.empty());
  CHECK_FALSE(host.arguments.state().changed_by_gpuctl);
}

TEST_CASE("asking twice changes nothing more") {
  for (const auto* part : {"debian-13", "bazzite"}) {
    CAPTURE(part);
    ArgumentsHost host{part};
    host.arguments.enable({});
    const auto once = configuration_of(host.root);
    CHECK(host.arguments.plan({}).empty());
    CHECK(host.arguments.enable({}) == "nothing to change: the arguments are set: reboot to make them count");
    CHECK(configuration_of(host.root) == once);
    CHECK(host.systemd.commands.size() == 1);
  }
}

TEST_CASE("a deployment that was staged and never came does not count as configured") {
  ArgumentsHost host{"bazzite"};
  host.arguments.enable({});
  host.machine().erase("run/ostree/staged-deployment");
  CHECK(host.arguments.state().needed == ArgumentChange{{"intel_iommu=on"}, {}});
  CHECK(host.arguments.enable({}) == "added intel_iommu=on; reboot to make it count");
}

TEST_CASE("an argument that switches the IOMMU off is taken out and the right one put in") {
  ArgumentsHost host{"debian-12"};
  host.machine()
      .file("etc/default/grub",
            "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet intel_iommu=off\"\nGRUB_CMDLINE_LINUX=''\n")
      .cmdline("quiet intel_iommu=off");
  CHECK(host.arguments.plan({}).change == ArgumentChange{{"intel_iommu=on"}, {"intel_iommu=off"}});
  host.arguments.enable({});
  CHECK(host.arguments.state().configured == std::vector<std::string>{"quiet", "intel_iommu=on"});
}

TEST_CASE("an argument in another file of grub.d is taken out there, and comes back") {
  ArgumentsHost host{"debian-13"};
  host.systemd.run_once_for_a_settled_tree("grub-drop-in");
  host.machine()
      .file("etc/default/grub.d/50-cloud.cfg",
            "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX intel_iommu=off x=1\"\n")
      .cmdline("quiet intel_iommu=off");
  const auto before = configuration_of(host.root);
  host.arguments.enable({});
  CHECK(host.root.text("etc/default/grub.d/50-cloud.cfg") ==
        "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX x=1\"");
  host.arguments.undo();
  CHECK(configuration_of(host.root) == before);
}

TEST_CASE("a drop-in of our own leaves the other files of GRUB as they are, whatever they hold") {
  for (const auto* text : {"GRUB_CMDLINE_LINUX_DEFAULT=\"quiet \\\n  splash\"\n",
                           "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet acpi_osi=\\\"Windows 2020\\\"\"\n",
                           "GRUB_CMDLINE_LINUX_DEFAULT=quiet\nGRUB_CMDLINE_LINUX=\n",
                           "GRUB_CMDLINE_LINUX_DEFAULT=\"a  b \"\n"}) {
    ArgumentsHost host{"debian-13"};
    host.machine().file("etc/default/grub", text);
    host.arguments.enable({});
    CHECK(read_exactly(host.root, "etc/default/grub") == text);
    CHECK(host.arguments.state().configured.back() == "intel_iommu=on");
  }
}

TEST_CASE("the root of an encrypted disk stays apart from what stands before it") {
  ArgumentsHost host{"arch"};
  host.machine().file("etc/default/grub",
                      "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet \\\n splash\"\n"
                      "GRUB_CMDLINE_LINUX=\"cryptdevice=UUID=x:root\"\n"
                      "GRUB_CMDLINE_LINUX+=\" root=/dev/mapper/root\"\n");
  host.arguments.enable({});
  CHECK(read_exactly(host.root, "etc/default/grub") ==
        "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet \\\n splash intel_iommu=on\"\n"
        "GRUB_CMDLINE_LINUX=\"cryptdevice=UUID=x:root\"\n"
        "GRUB_CMDLINE_LINUX+=\" root=/dev/mapper/root\"\n");
  CHECK(host.arguments.state().configured == std::vector<std::string>{"cryptdevice=UUID=x:root",
                                                                      "root=/dev/mapper/root", "quiet",
                                                                      "splash", "intel_iommu=on"});
}

TEST_CASE("what a shell file makes out of reach is refused before anything is written") {
  ArgumentsHost later{"debian-13"};
  later.machine().file("etc/default/grub.d/99-last.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
  ArgumentsHost expanded{"arch"};
  expanded.machine()
      .file("etc/default/grub", "OFF=off\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet intel_iommu=$OFF\"\n")
      .cmdline("quiet intel_iommu=off");
  ArgumentsHost open{"arch"};
  open.machine().file("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\nGRUB_TIMEOUT=5\n");
  for (auto [host, why] : {std::pair{&later, "add \"intel_iommu=on\" to GRUB_CMDLINE_LINUX_DEFAULT by hand"},
                           {&expanded, "take \"intel_iommu=off\" out by hand, then run `sudo grub-mkconfig"},
                           {&open, "`sh -n /etc/default/grub`"}}) {
    const auto before = configuration_of(host->root);
    CHECK_THROWS_WITH_AS(host->arguments.enable({}), doctest::Contains(why), Error);
    CHECK(configuration_of(host->root) == before);
    CHECK_FALSE(host->arguments.state().changed_by_gpuctl);
  }
}

TEST_CASE("recovery entries, memory tests and other systems need not have the argument") {
  ArgumentsHost ubuntu{"ubuntu-24.04"};
  ubuntu.machine().file("etc/default/grub",
                        "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\nGRUB_CMDLINE_LINUX=\"\"\n"
                        "GRUB_CMDLINE_LINUX_RECOVERY=\"recovery nomodeset\"\n");
  CHECK(ubuntu.arguments.enable({}) == "added intel_iommu=on; reboot to make it count");
  CHECK(ubuntu.root.text("boot/grub/grub.cfg").find("ro recovery nomodeset\n") != std::string::npos);
  ArgumentsHost pop{"pop-os"};
  pop.machine()
      .file("boot/efi/loader/entries/Recovery-4C21.conf", "linux /casper/vmlinuz\noptions boot=casper\n")
      .file("boot/efi/loader/entries/arch.conf", "linux /vmlinuz-linux\noptions root=y\n");
  pop.systemd.others = {"Recovery-4C21.conf", "arch.conf"};
  CHECK(pop.arguments.enable({}) == "added intel_iommu=on; reboot to make it count");
}

TEST_CASE("AMD needs no argument, firmware without VT-d is not helped by one") {
  ArgumentsHost amd{"debian-13"};
  amd.machine()
      .erase("sys/firmware/acpi/tables/DMAR")
      .file("sys/firmware/acpi/tables/IVRS", "x")
      .iommu("amd");
  amd.machine().file("sys/kernel/iommu_groups/0/type", "DMA");
  CHECK(amd.arguments.plan({}).empty());
  CHECK(amd.arguments.state().advice == "the IOMMU is on; no kernel argument is needed");
  ArgumentsHost off{"debian-13"};
  off.machine().erase("sys/firmware/acpi/tables/DMAR").file("proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
  CHECK(off.arguments.plan({}).empty());
  CHECK(off.arguments.state().advice.find("VT-d is off in the firmware setup") == 0);
  CHECK(off.systemd.units.empty());
}

TEST_CASE("ids of an older set-up are taken out on request only") {
  ArgumentsHost host{"opensuse"};
  host.machine().file("etc/default/grub",
                      "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet vfio-pci.ids=10de:25a0,10de:2291\"\n");
  CHECK(host.arguments.plan({}).change.remove.empty());
  CHECK(host.arguments.plan({.drop_vfio_ids = true}).change.remove ==
        std::vector<std::string>{"vfio-pci.ids=10de:25a0,10de:2291"});
}

TEST_CASE("systemd-boot with kernel-install gets /etc/kernel/cmdline and new entries") {
  ArgumentsHost host{"debian-13"};
  with_kernel_install(host.machine());
  const auto before = configuration_of(host.root);
  host.arguments.enable({});
  CHECK(host.systemd.commands ==
        std::vector<std::string>{
            "/usr/bin/kernel-install add 6.12.41+deb13-amd64 /boot/vmlinuz-6.12.41+deb13-amd64 "
            "/boot/initrd.img-6.12.41+deb13-amd64"});
  CHECK(host.root.text("etc/kernel/cmdline") ==
        "root=UUID=3b1f8d5c-93a1-4c9b-8d24-0a9f5f4f7d11 ro quiet intel_iommu=on");
  host.arguments.undo();
  CHECK(configuration_of(host.root) == before);
}

TEST_CASE("kernel-install makes entries of this system's kernels anew, and no others are asked for") {
  ArgumentsHost host{"debian-13"};
  with_kernel_install(host.machine());
  host.machine()
      .file(entries + token + "-6.1.0-old.conf", "linux /gone\noptions root=UUID=x\n")
      .file(entries + token + "-0-rescue.conf", "linux /rescue\noptions root=UUID=x\n")
      .file(entries + "arch.conf", "linux /vmlinuz-linux\noptions root=y\n");
  CHECK(host.arguments.enable({}) == "added intel_iommu=on; reboot to make it count");
}

TEST_CASE(
    "systemd's own kernel-install puts the argument into the entry, and undo gives the identical tree back") {
  if (!std::filesystem::exists("/usr/lib/kernel/install.d/90-loaderentry.install")) return;
  ArgumentsHost host{"debian-13"};
  make_systemd_boot(host.machine());
  const std::string id = "5fd1c2a4b7e94b6c9c1f0d5a2f8e7d3b", version = "6.12.41+deb13-amd64";
  const auto entry = "boot/loader/entries/" + id + "-" + version + ".conf";
  host.machine()
      .file("etc/machine-id", id + "\n")
      .file("etc/kernel/cmdline", "root=UUID=x ro quiet\n")
      .file("usr/bin/kernel-install", "")
      .file("boot/vmlinuz-" + version, "kernel")
      .file("boot/initrd.img-" + version, "initrd")
      .file(entry, "linux /old\noptions root=UUID=x\n");
  std::filesystem::create_directories(host.root.path() / "boot" / id);
  host.systemd.real_kernel_install = true;
  host.systemd.run(
      {"/usr/bin/kernel-install", "add", version, "/boot/vmlinuz-" + version, "/boot/initrd.img-" + version});
  REQUIRE(host.root.text(entry).find("root=UUID=x ro quiet") != std::string::npos);
  const auto before = configuration_of(host.root);
  host.arguments.enable({});
  CHECK(host.root.text(entry).find("root=UUID=x ro quiet intel_iommu=on") != std::string::npos);
  CHECK(host.arguments.state().configured.back() == "intel_iommu=on");
  host.arguments.undo();
  CHECK(configuration_of(host.root) == before);
}

TEST_CASE("hand-written entries of systemd-boot are edited, others' entries are not") {
  ArgumentsHost host{"arch"};
  make_systemd_boot(host.machine());
  host.machine()
      .file("boot/loader/entries/arch.conf", "title Arch\nlinux /vmlinuz-linux\noptions root=PARTUUID=x rw\n")
      .file("boot/loader/entries/windows.conf", "title Windows\nefi /EFI/Microsoft/Boot/bootmgfw.efi\n");
  const auto before = configuration_of(host.root);
  CHECK(host.arguments.state().mechanism == "loader-entries");
  CHECK(host.arguments.plan({}).text() ==
        "--- /boot/loader/entries/arch.conf\n+++ /boot/loader/entries/arch.conf\n@@ -1,3 +1,3 @@\n title "
        "Arch\n linux "
        "/vmlinuz-linux\n-options root=PARTUUID=x rw\n+options root=PARTUUID=x rw intel_iommu=on\n");
  host.arguments.enable({});
  CHECK(host.root.text("boot/loader/entries/windows.conf").find("options") == std::string::npos);
  host.arguments.undo();
  CHECK(configuration_of(host.root) == before);
}
