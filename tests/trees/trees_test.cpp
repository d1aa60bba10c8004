// SPDX-License-Identifier: GPL-2.0-or-later
// The host's configuration, changed and given back with a distribution's own tools on its own files.
#include <doctest/doctest.h>

#include <algorithm>

#include "host/boot_rules.hpp"
#include "host/boot_store.hpp"
#include "host/host_service.hpp"
#include "host/text.hpp"
#include "support/machines.hpp"
#include "tree.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

constexpr auto machine_id = "5fd1c2a4b7e94b6c9c1f0d5a2f8e7d3b";
constexpr auto command_line = "root=UUID=3b1f8d5c-93a1-4c9b-8d24-0a9f5f4f7d11 ro quiet";

/// VT-d is on in firmware, and the kernel waits for the argument.
void waits_for_the_argument(Tree& tree) {
  tree.file("sys/firmware/acpi/tables/DMAR", "DMAR")
      .file("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: vmx\n")
      .file("proc/cmdline", std::string("BOOT_IMAGE=/boot/vmlinuz ") + command_line + "\n");
}

/// The only stand-in: a tree has no disk that GRUB could ask where it is.
void give_a_disk(Tree& tree) {
  tree.script("usr/sbin/grub-probe", R"(#!/bin/sh
case "$*" in
  *target=device*) echo /dev/vda1 ;;
  *target=fs_uuid*) echo 3b1f8d5c-93a1-4c9b-8d24-0a9f5f4f7d11 ;;
  *target=partuuid*) echo 9c2b8a6e-01 ;;
  *target=fs*) echo ext2 ;;
  *target=partmap*) echo msdos ;;
  *target=compatibility_hint*) echo hd0,msdos1 ;;
esac
)");
}

/// As grub-pc or grub-efi leave it.
void set_up_grub(Tree& tree, const std::string& directory) {
  waits_for_the_argument(tree);
  give_a_disk(tree);
  tree.file("etc/default/grub", tree.text("usr/share/grub/default/grub")).directory(directory);
}

void run(const Tree& tree, const std::vector<std::string>& command) {
  const int status = tree.run(command);
  REQUIRE_MESSAGE(status == 0, tree.output());
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// plan shows and changes nothing; enable has the argument in `generated`; undo gives the identical tree
/// back.
void goes_and_comes_back(const Tree& tree, const std::string& mechanism, const std::string& generated) {
  SystemdOfTree systemd(tree);
  KernelArguments arguments(tree.root(), systemd, tree.paths());
  const auto before = tree.files({"etc", "boot"});
  REQUIRE(before.contains(generated));
  CHECK_FALSE(contains(before.at(generated), "intel_iommu"));
  CHECK(arguments.state().mechanism == mechanism);
  CHECK(contains(arguments.plan({}).text(), "intel_iommu=on"));
  CHECK(tree.files({"etc", "boot"}) == before);

  CHECK(arguments.enable({}) == "added intel_iommu=on; reboot to make it count");
  CHECK_FALSE(systemd.commands.empty());
  CHECK(contains(tree.text(generated), "quiet intel_iommu=on"));
  CHECK(arguments.state().configured.back() == "intel_iommu=on");

  arguments.undo();
  CHECK(tree.files({"etc", "boot"}) == before);
  CHECK_FALSE(tree.root().exists("var/lib/gpuctl/kernel-args.json"));
}

std::string entry_name(const Tree& tree) {
  return std::string("boot/loader/entries/") + machine_id + "-" + tree.kernel() + ".conf";
}

void start_with_systemd_boot(Tree& tree) {
  std::string info("\x06\0\0\0", 4);
  for (const char c : std::string("systemd-boot 257.9")) info += std::string{c, '\0'};
  tree.file("sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f", info);
}

/// A laptop with this GPU in its slot, whose driver was faster than the boot policy's rule.
struct Policy {
  Tree& tree;
  SystemdOfTree systemd{tree};
  HostService service{tree.root(), systemd, tree.paths()};
  Snapshot snapshot;
  Gpu gpu{{0, 1, 0, 0}, {{0, 1, 0, 0}}};

  explicit Policy(Tree& where) : tree(where) {
    snapshot.host.iommu = "intel";
    auto& function = snapshot.functions[gpu.address];
    function.address = gpu.address;
    function.id = laptop_gpu_id;
    function.driver = "nouveau";
    snapshot.gpus[gpu.address.slot()] = gpu;
    boot("boot-a");
  }
  void boot(const std::string& id) {
    tree.file("proc/sys/kernel/random/boot_id", id + "\n");
    begin_boot(tree.root(), tree.paths().state);
  }
};

/// Fast rather than small: what counts is what goes in.
void keep_the_initramfs_short(Tree& tree) {
  tree.file("etc/initramfs-tools/conf.d/short", "MODULES=list\nCOMPRESS=gzip\n")
      .file("etc/dracut.conf.d/10-short.conf",
            "hostonly=no\ncompress=cat\ndracutmodules+=\" base systemd systemd-udevd kernel-modules "
            "udev-rules \"\n");
}

std::string contents_of_initramfs(const Tree& tree) {
  const auto image = "/boot/initrd.img-" + tree.kernel();
  run(tree, {tree.root().exists("usr/bin/lsinitramfs") ? "lsinitramfs" : "lsinitrd", image});
  return tree.output();
}

}  // namespace

TEST_CASE("Debian's update-grub: a drop-in of our own") {
  Tree tree;
  set_up_grub(tree, "boot/grub");
  run(tree, {"update-grub"});
  goes_and_comes_back(tree, "grub-drop-in", "boot/grub/grub.cfg");
}

TEST_CASE("recovery entries with words of their own, a memory test and a value over two lines") {
  Tree tree;
  set_up_grub(tree, "boot/grub");
  tree.file("etc/default/grub", tree.text("etc/default/grub") +
                                    "GRUB_CMDLINE_LINUX_DEFAULT=\"acpi_osi=\\\"Windows 2020\\\" \\\nquiet\"\n"
                                    "GRUB_CMDLINE_LINUX_RECOVERY=\"recovery nomodeset\"\n")
      .script("etc/grub.d/20_memtest86+",
              "#!/bin/sh\necho \"menuentry 'M' {\"\necho '  linux /boot/memtest86+x64.efi'\necho '}'\n");
  run(tree, {"update-grub"});
  const auto generated = tree.text("boot/grub/grub.cfg");
  CHECK((contains(generated, "ro recovery nomodeset") || contains(generated, "ro single")));  // Debian 12's
  CHECK(contains(generated, "memtest86+x64.efi"));
  goes_and_comes_back(tree, "grub-drop-in", "boot/grub/grub.cfg");
}

TEST_CASE("grub-mkconfig as Arch has it: /etc/default/grub") {
  Tree tree;
  set_up_grub(tree, "boot/grub");
  tree.rename("usr/sbin/update-grub", "usr/sbin/update-grub.away");
  run(tree, {"grub-mkconfig", "-o", "/boot/grub/grub.cfg"});
  goes_and_comes_back(tree, "grub-defaults", "boot/grub/grub.cfg");
}

TEST_CASE("an update-grub over upstream's grub-mkconfig, as Manjaro and Void have it: /etc/default/grub") {
  Tree tree;
  set_up_grub(tree, "boot/grub");
  auto text = tree.text("usr/sbin/grub-mkconfig");
  const std::string loop = "default/grub.d/*.cfg";
  REQUIRE(contains(text, loop));
  tree.script("usr/sbin/grub-mkconfig", text.replace(text.find(loop), loop.size(), "default/no-loop"));
  run(tree, {"update-grub"});
  goes_and_comes_back(tree, "grub-defaults", "boot/grub/grub.cfg");
}

TEST_CASE("grub2-mkconfig as openSUSE calls it") {
  Tree tree;
  set_up_grub(tree, "boot/grub2");
  tree.directory("boot/grub")  // Debian's parts of the tool want it
      .rename("usr/sbin/update-grub", "usr/sbin/update-grub.away")
      .rename("usr/sbin/grub-mkconfig", "usr/sbin/grub2-mkconfig");
  run(tree, {"grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"});
  goes_and_comes_back(tree, "grub-defaults", "boot/grub2/grub.cfg");
}

TEST_CASE(
    "kernel-install with all the plugins that the release has: /etc/kernel/cmdline, the entry made anew") {
  Tree tree;
  waits_for_the_argument(tree);
  start_with_systemd_boot(tree);
  const auto image = "/boot/vmlinuz-" + tree.kernel();
  const auto initrd = "/boot/initrd.img-" + tree.kernel();
  tree.file("etc/machine-id", std::string(machine_id) + "\n")
      .file("etc/kernel/cmdline", std::string(command_line) + "\n")
      .file(initrd.substr(1), "initrd")
      .directory(std::string("boot/") + machine_id)
      .directory("boot/loader/entries");
  run(tree, {"kernel-install", "add", tree.kernel(), image, initrd});
  goes_and_comes_back(tree, "kernel-install", entry_name(tree));
}

TEST_CASE("without /etc/kernel/cmdline the arguments of the running kernel are the beginning") {
  Tree tree;
  waits_for_the_argument(tree);
  start_with_systemd_boot(tree);
  tree.file("etc/machine-id", std::string(machine_id) + "\n")
      .file(entry_name(tree), std::string("title Debian\noptions ") + command_line + "\nlinux /vmlinuz\n")
      .directory(std::string("boot/") + machine_id);
  SystemdOfTree systemd(tree);
  KernelArguments arguments(tree.root(), systemd, tree.paths());
  arguments.enable({});
  CHECK(contains(tree.text(entry_name(tree)), std::string(command_line) + " intel_iommu=on"));
  arguments.undo();
  CHECK_FALSE(tree.root().exists("etc/kernel/cmdline"));
  CHECK_FALSE(contains(tree.text(entry_name(tree)), "intel_iommu"));
}

TEST_CASE("a confirmed boot policy that was too late is put into the initramfs, and taken out again") {
  Tree tree;
  keep_the_initramfs_short(tree);
  const bool debians = tree.root().exists("usr/sbin/mkinitramfs");
  if (debians) run(tree, {"update-initramfs", "-c", "-k", tree.kernel()});
  const std::string gpuctld{installed_daemon().substr(1)};
  tree.script(gpuctld, "#!/bin/sh\n");
  Policy policy(tree);
  const auto before = tree.files({"etc"});
  policy.service.set_boot_policy(policy.gpu, "vm", false, policy.snapshot);
  policy.boot("boot-b");
  policy.service.apply_boot_policy(policy.snapshot);
  CHECK(policy.systemd.commands.empty());

  policy.service.confirm_boot_policy(policy.gpu);
  CHECK(policy.systemd.commands ==
        std::vector<std::string>{debians ? "/usr/sbin/update-initramfs -u -k all"
                                         : "/usr/bin/dracut --force --regenerate-all"});
  const auto with = contents_of_initramfs(tree);
  // The last ones tell the rules where they are, and by whom.
  for (const auto* part : {"etc/udev/rules.d/61-gpuctl-boot.rules", "/vfio-pci.ko", "/vfio_iommu_type1.ko",
                           debians ? "conf/gpuctl" : "lib/dracut-lib.sh",
                           debians ? "conf/gpuctl" : "etc/dracut.conf.d/90-gpuctl.conf"})
    CHECK_MESSAGE(contains(with, part), part);

  tree.rename(gpuctld, gpuctld + ".away");  // the package went, its files below /etc did not
  run(tree, split(policy.systemd.commands.front(), ' '));
  CHECK_FALSE(contains(contents_of_initramfs(tree), debians ? "conf/gpuctl" : "61-gpuctl"));
  tree.rename(gpuctld + ".away", gpuctld);

  policy.service.set_boot_policy(policy.gpu, "clear", false, policy.snapshot);
  CHECK(tree.files({"etc"}) == before);
  CHECK_FALSE(contains(contents_of_initramfs(tree), "61-gpuctl"));
}
