// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/host_service.hpp"

#include <fstream>

#include <doctest/doctest.h>

#include "boot_policy_host.hpp"
#include "core/error.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

TEST_CASE("a policy is tried for one boot, and its rule is gone before anything else happens in it") {
  PolicyHost host;
  CHECK(host.set("vm").find("on trial: `gpuctl boot confirm 0000:01:00.0`") != std::string::npos);
  CHECK(host.root.exists(trial_rules));
  CHECK_THROWS_WITH_AS(host.service.confirm_boot_policy(host.gpu()),
                       doctest::Contains("has not had its boot yet"), Error);
  host.boot("boot-b");
  CHECK_FALSE(host.root.exists(trial_rules));
  CHECK_FALSE(host.root.exists(confirmed_rules));
  host.boot("boot-c");
  CHECK(host.service.boot_policies().at(0).state == PolicyState::reverted);
  CHECK_THROWS_WITH_AS(host.service.confirm_boot_policy(host.gpu()), doctest::Contains("has reverted"),
                       Error);
}

TEST_CASE("a trial that nobody can read any more ends with the boot as well") {
  PolicyHost host;
  host.set("vm");
  host.boot("boot-b");
  host.set("vm");
  const auto store = host.systemd.paths().state / "boot-policy.json";
  std::ofstream{store} << "{\"policies\": [{";
  CHECK_THROWS_WITH_AS(host.boot("boot-c"), doctest::Contains("set aside"), Error);
  CHECK_FALSE(host.root.exists(trial_rules));
  CHECK_FALSE(host.root.exists(confirmed_rules));
  CHECK(std::filesystem::exists(store.string() + ".damaged"));
  CHECK(host.service.boot_policies().empty());
}

TEST_CASE("who confirms before gpuctl-boot.service has begun is not sent to reboot") {
  PolicyHost host;
  host.set("vm");
  host.machine.file("proc/sys/kernel/random/boot_id", "boot-b\n");
  CHECK_THROWS_WITH_AS(host.service.confirm_boot_policy(host.gpu()),
                       doctest::Contains("gpuctl-boot.service has not begun"), Error);
  begin_boot(host.root, host.systemd.paths().state);
  CHECK(host.service.confirm_boot_policy(host.gpu()) == "0000:01:00.0 goes to \"vm\" at every boot");
}

TEST_CASE("a confirmed policy stays, without the initramfs when the rule was early enough") {
  PolicyHost host;
  host.set("vm");
  host.boot("boot-b");
  CHECK(host.service.confirm_boot_policy(host.gpu()) == "0000:01:00.0 goes to \"vm\" at every boot");
  host.boot("boot-c");
  CHECK(host.root.exists(confirmed_rules));
  CHECK_FALSE(host.root.exists("etc/initramfs-tools/hooks/gpuctl"));
  CHECK(host.systemd.commands.empty());
}

TEST_CASE(
    "a host driver that was faster brings the rule into the initramfs, and clear takes all of it out again") {
  PolicyHost host;
  const auto before = configuration_of(host.root);
  host.set("vm");
  host.boot("boot-b");
  CHECK(host.service.apply_boot_policy(host.snapshot).actions ==
        std::vector<BootAction>{{gpu_address, BootSide::vm}});
  host.service.confirm_boot_policy(host.gpu());
  CHECK(host.root.text("etc/initramfs-tools/hooks/gpuctl").find("manual_add_modules vfio_pci") !=
        std::string::npos);
  CHECK(host.systemd.commands == std::vector<std::string>{"/usr/sbin/update-initramfs -u -k all"});
  host.set("clear");
  CHECK(configuration_of(host.root) == before);
  CHECK(host.systemd.commands.size() == 2);
  CHECK(host.service.boot_policies().empty());
}

TEST_CASE("what keeps mkinitcpio from putting the rule into the initramfs is told when that matters") {
  PolicyHost host;
  host.machine.erase("usr/sbin/update-initramfs")
      .file("usr/bin/mkinitcpio", "")
      .file("etc/mkinitcpio.d/linux.preset",
            "#default_config=\"/etc/mkinitcpio.conf\"\nALL_config=\"/etc/"
            "mkinitcpio.conf\"\nfallback_config=\"\"\n");
  host.try_for_a_boot();
  const std::string kept = "0000:01:00.0 goes to \"vm\" at every boot";
  const auto told = host.service.confirm_boot_policy(host.gpu());
  CHECK(
      told.starts_with(kept +
                       ", but the host's driver has it first, for with `ALL_config=\"/etc/mkinitcpio.conf\"` "
                       "in /etc/mkinitcpio.d/linux.preset mkinitcpio ignores"));
  CHECK(host.systemd.commands == std::vector<std::string>{"/usr/bin/mkinitcpio -P"});
  CHECK(host.service.confirm_is_settled(host.gpu()) == told);
  host.machine.file("etc/mkinitcpio.d/linux.preset", "#ALL_config=\"/etc/mkinitcpio.conf\"\n");
  CHECK(host.service.confirm_is_settled(host.gpu()) == kept);
}

TEST_CASE("a preset's config is no matter for a rule that was early enough") {
  PolicyHost host{"vfio-pci"};
  host.machine.erase("usr/sbin/update-initramfs")
      .file("usr/bin/mkinitcpio", "")
      .file("etc/mkinitcpio.d/linux.preset", "ALL_config=\"/etc/mkinitcpio.conf\"\n");
  host.try_for_a_boot();
  CHECK(host.service.confirm_boot_policy(host.gpu()) == "0000:01:00.0 goes to \"vm\" at every boot");
}

TEST_CASE("a GPU that was early enough makes nothing late") {
  PolicyHost host{"vfio-pci"};
  host.set("vm");
  host.boot("boot-b");
  CHECK(host.service.apply_boot_policy(host.snapshot).actions.empty());
  CHECK_FALSE(host.service.boot_policies().at(0).late);
}

TEST_CASE("what cannot be applied is not remembered") {
  PolicyHost host;
  host.try_for_a_boot();
  host.fail_to_confirm();
  CHECK(host.service.boot_policies().at(0).state == PolicyState::trial);
  CHECK_FALSE(host.root.exists(confirmed_rules));
}

TEST_CASE("a tool that failed may have written an initramfs: it is made anew when the policy is cleared") {
  PolicyHost host;
  host.try_for_a_boot();
  host.fail_to_confirm();
  host.boot("boot-c");
  const auto problems = host.service.apply_boot_policy(host.snapshot).problems;
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].id == "boot-policy-initramfs-behind");
  host.systemd.failing.clear();
  host.systemd.commands.clear();
  host.set("clear");
  CHECK(host.systemd.commands == std::vector<std::string>{"/usr/sbin/update-initramfs -u -k all"});
}

TEST_CASE("a rule that comes too late although the initramfs has it is told at each boot") {
  PolicyHost host;
  host.try_for_a_boot();
  host.service.confirm_boot_policy(host.gpu());
  for (const auto* boot : {"boot-c", "boot-d"}) {
    host.boot(boot);
    const auto problems = host.service.apply_boot_policy(host.snapshot).problems;
    REQUIRE(problems.size() == 1);
    CHECK(problems[0].id == "boot-policy-late");
    CHECK(problems[0].message.ends_with("although the rule is there too"));
  }
}

TEST_CASE("what an initramfs cannot get is not promised") {
  PolicyHost host;
  host.machine.erase("usr/sbin/update-initramfs").file("run/ostree-booted", "");
  host.try_for_a_boot();
  CHECK(host.service.confirm_boot_policy(host.gpu()).find("is not gpuctl's to make") != std::string::npos);
  host.boot("boot-c");
  CHECK(host.service.apply_boot_policy(host.snapshot).problems.empty());
}

TEST_CASE("a driver that mkinitcpio loads before the rules is named where the GPU is one of its") {
  PolicyHost host;
  host.machine.erase("usr/sbin/update-initramfs")
      .file("usr/bin/mkinitcpio", "")
      .file("etc/mkinitcpio.conf", "#MODULES=(nvidia)\nMODULES=(btrfs amdgpu)\n");
  host.try_for_a_boot();
  const std::string kept = "0000:01:00.0 goes to \"vm\" at every boot";
  CHECK(host.service.confirm_boot_policy(host.gpu()) == kept);
  host.machine.file("etc/mkinitcpio.conf.d/gpu.conf", "MODULES+=(nvidia nvidia_drm)\n");
  CHECK(host.service.confirm_is_settled(host.gpu())
            .starts_with(kept + ", but the host's driver has it first, for `MODULES+=(nvidia nvidia_drm)` in "
                                "/etc/mkinitcpio.conf.d/gpu.conf loads that"));
}

TEST_CASE("setting what holds changes nothing, host and clear take effect at once") {
  PolicyHost host;
  host.set("vm");
  const auto units = host.systemd.units.size();
  host.set("vm");
  CHECK(host.systemd.units.size() == units);
  host.set("host");
  CHECK_FALSE(host.root.exists(trial_rules));
  CHECK(host.service.boot_policies().at(0).state == PolicyState::confirmed);
  CHECK(host.set("clear").find("has no boot policy any more") != std::string::npos);
  CHECK(host.set("clear").find("has no boot policy") != std::string::npos);
  CHECK_THROWS_AS(host.set("sideways"), Error);
}

TEST_CASE("the only display is refused with the reason") {
  PolicyHost host;
  host.snapshot.functions[gpu_address].boot_vga = true;
  CHECK_THROWS_WITH_AS(host.set("vm"), doctest::Contains("boot into the dark"), Error);
  CHECK(host.service.boot_policies().empty());
}

TEST_CASE("rules follow the store after a crash between the two") {
  PolicyHost host;
  host.set("vm");
  host.boot("boot-b");
  host.service.confirm_boot_policy(host.gpu());
  BootStore{host.systemd.paths().state}.save({});
  host.boot("boot-c");
  CHECK_FALSE(host.root.exists(confirmed_rules));
}

TEST_CASE("\"last\" is remembered when the system goes down") {
  PolicyHost host;
  host.set("last");
  host.boot("boot-b");
  host.service.confirm_boot_policy(host.gpu());
  CHECK_FALSE(host.root.exists(path_of(RuleFile::last)));
  PolicyHost moved{"vfio-pci"};
  end_boot(host.root, host.systemd.paths().state, moved.snapshot);
  CHECK(host.root.exists(path_of(RuleFile::last)));
  end_boot(host.root, host.systemd.paths().state, host.snapshot);
  CHECK_FALSE(host.root.exists(path_of(RuleFile::last)));
}

TEST_CASE("an update-initramfs that dracut brings is dracut") {
  PolicyHost host;
  CHECK(initramfs_tool(host.root) == "update-initramfs");
  host.machine.file("usr/bin/dracut", "");
  CHECK(initramfs_tool(host.root) == "dracut");
  host.machine.file("usr/lib/modules/6.1/pkgbase", "linux\n");  // of Arch, where dracut knows no image's name
  CHECK(initramfs_tool(host.root).empty());
  host.machine.erase("usr/lib/modules/6.1/pkgbase");
  host.machine.file("usr/sbin/mkinitramfs", "");  // left behind
  CHECK(initramfs_tool(host.root) == "dracut");
  host.machine.file("usr/sbin/update-initramfs",
                    "mkinitramfs -o \"$new\"\n");  // dracut-core, for its lsinitrd
  CHECK(initramfs_tool(host.root) == "update-initramfs");
}

TEST_CASE("where sdbootutil keeps the initrds, it and not dracut makes them anew") {
  PolicyHost host;
  host.machine.erase("usr/sbin/update-initramfs")
      .file("usr/bin/dracut", "")
      .file("usr/bin/sdbootutil", "")
      .file("etc/kernel/cmdline", "quiet\n")
      .file("etc/sysconfig/bootloader", "LOADER_TYPE=\"grub2-bls\"\n");
  host.try_for_a_boot();
  host.service.confirm_boot_policy(host.gpu());
  const std::string conf = "etc/dracut.conf.d/90-gpuctl.conf";
  CHECK(host.root.text(conf).find(" /" + confirmed_rules + " /" + conf + " ") != std::string::npos);
  CHECK(host.systemd.commands == std::vector<std::string>{"/usr/bin/sdbootutil mkinitrd"});
  host.set("clear");
  CHECK_FALSE(host.root.exists("etc/dracut.conf.d/90-gpuctl.conf"));
  CHECK(host.systemd.commands.size() == 2);
  host.machine.file("etc/sysconfig/bootloader", "LOADER_TYPE=\"grub2-efi\"\n");
  CHECK(initramfs_tool(host.root) == "dracut");
}
