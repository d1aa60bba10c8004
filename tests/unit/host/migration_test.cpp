// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/migration.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "boot_policy_host.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

using Texts = std::vector<std::string>;

const std::string conf = "etc/modprobe.d/vfio.conf";

/// By gpuctl-boot.service, of what it could not do.
Texts said(PolicyHost& host) {
  Texts all;
  for (const auto& p : host.service.apply_boot_policy(host.snapshot).problems)
    all.push_back(fmt::format("{}: {}", p.id, p.remedy));
  return all;
}

}  // namespace

TEST_CASE("an older set-up is put out of action on request, and comes back with clear") {
  PolicyHost host;
  const std::string old = "# mine\noptions vfio-pci ids=10de:25a0,10de:2291\nsoftdep nvidia pre: vfio-pci\n";
  const std::string others = "options vfio-pci ids=1b21:2142,8086:1234\n";
  host.machine.file(conf, old).file("etc/modprobe.d/two.conf", others);
  host.set("vm", true);
  CHECK(host.root.text(conf).find("# gpuctl boot policy: options vfio-pci") != std::string::npos);
  CHECK(host.root.text("etc/modprobe.d/two.conf") + "\n" == others);
  CHECK(host.systemd.commands == std::vector<std::string>{"/usr/sbin/update-initramfs -u -k all"});
  host.set("clear");
  CHECK(host.root.text(conf) + "\n" == old);
}

TEST_CASE("what else an older set-up's line says stays in force while the GPU's ids are out of it") {
  struct Line {
    std::string old, migrated;
  };
  const std::string ours = "options vfio-pci ids=10de:25a0,10de:2291", mark = "# gpuctl boot policy: ";
  for (const auto& [old, migrated] : {
           Line{ours + " disable_idle_d3=1 disable_vga=1\n",
                mark + ours +
                    " disable_idle_d3=1 disable_vga=1\noptions vfio-pci disable_idle_d3=1 disable_vga=1\n"},
           Line{"  options vfio_pci  disable_vga=1 ids=10DE:25A0:1043:1ccc,8086:1234",
                mark + "  options vfio_pci  disable_vga=1 ids=10DE:25A0:1043:1ccc,8086:1234\n" +
                    "options vfio_pci disable_vga=1 ids=8086:1234\n"},
           Line{ours + " \\\n  disable_vga=1\n", mark + ours + "\noptions vfio-pci \\\n  disable_vga=1\n"},
           Line{ours + "\n# end\n", mark + ours + "\n# end\n"},
       }) {
    CAPTURE(old);
    PolicyHost host;
    host.machine.file(conf, old);
    host.set("vm", true);
    CHECK(read_exactly(host.root, conf) == migrated);
    host.set("clear");
    CHECK(read_exactly(host.root, conf) == old);
  }
}

TEST_CASE("an id that another card in the line has too stays there with that card") {
  const std::string both = "options vfio-pci ids=10de:25a0,10de:2204,10de:2291\n";
  for (const auto& [other, left] :
       {std::pair<std::uint16_t, const char*>{0x2204, "10de:2204,10de:2291"}, {0x1234, "10de:2204"}}) {
    PolicyHost host;
    host.add({0, 2, 0, 0}, {0x10de, other, 0, 0, 0x030000}, "vfio-pci");
    host.add({0, 2, 0, 1}, laptop_audio_id, "vfio-pci");
    host.snapshot.gpus[{0, 2, 0}] = {{0, 2, 0, 0}, {{0, 2, 0, 0}, {0, 2, 0, 1}}};
    host.machine.file(conf, both);
    host.set("vm", true);
    CHECK(host.root.text(conf).ends_with(std::string{"\noptions vfio-pci ids="} + left));
    host.set("clear");
    CHECK(read_exactly(host.root, conf) == both);
  }
}

TEST_CASE(
    "a file that somebody has changed since its lines were put out of action is left, and that is said") {
  PolicyHost host;
  host.machine.file(conf, "options vfio-pci ids=10de:25a0\n");
  host.set("vm", true);
  host.machine.file(conf, "# mine\n# gpuctl boot policy: options vfio-pci ids=10de:25a0\n");
  CHECK(host.set("clear").find("somebody has changed /etc/modprobe.d/vfio.conf since") != std::string::npos);
  CHECK(host.root.text(conf).starts_with("# mine"));
}

TEST_CASE("lines of one file that were put out of action one after the other all come back") {
  PolicyHost host;
  const std::string one = "options vfio-pci ids=10de:25a0\n", two = "options vfio-pci ids=10de:2291\n";
  host.machine.file(conf, one);
  host.set("vm", true);
  const auto store = BootStore{host.systemd.paths().state};
  auto policies = store.load();
  policies.push_back(policies[0]);
  policies[1].gpu = {0, 2, 0, 0};
  policies[1].migrated = {{conf, policies[0].migrated[0].after, two}};
  store.save(policies);
  host.machine.file(conf, two);
  host.service.forget();
  CHECK(read_exactly(host.root, conf) == one);
}

TEST_CASE("lines put out of action for a policy that nobody confirms are back in the boot that reverts it") {
  PolicyHost host;
  const std::string old = "options vfio-pci ids=10de:25a0 disable_vga=1\n";
  host.machine.file(conf, old);
  host.set("vm", true);
  host.boot("boot-b");
  CHECK(read_exactly(host.root, conf) != old);
  CHECK(said(host).empty());
  host.boot("boot-c");
  CHECK(read_exactly(host.root, conf) == old);
  CHECK(host.systemd.commands.size() == 1);
  CHECK(said(host) ==
        Texts{"boot-policy-initramfs-behind: `gpuctl boot clear 0000:01:00.0` makes the initramfs anew"});
  host.set("clear");
  CHECK(host.systemd.commands == Texts(2, "/usr/sbin/update-initramfs -u -k all"));
  CHECK(read_exactly(host.root, conf) == old);
}

TEST_CASE("where gpuctl knows no initramfs, none is said to be behind") {
  PolicyHost host;
  host.machine.file(conf, "options vfio-pci ids=10de:25a0\n").erase("usr/sbin/update-initramfs");
  host.set("vm", true);
  host.boot("boot-b");
  host.boot("boot-c");
  CHECK(said(host).empty());
}

TEST_CASE("a policy that is set anew brings an initramfs that was behind up to date, once") {
  PolicyHost host;
  host.machine.file(conf, "options vfio-pci ids=10de:25a0\n");
  host.set("vm", true);
  host.boot("boot-b");
  host.boot("boot-c");
  host.set("vm");
  CHECK(host.systemd.commands.size() == 2);
  host.boot("boot-d");
  host.service.confirm_boot_policy(host.gpu());
  CHECK(host.systemd.commands.size() == 2);
}

TEST_CASE("lines that the boot cannot bring back are told about until they are back") {
  PolicyHost host;
  const std::string old = "options vfio-pci ids=10de:25a0\n";
  host.machine.file(conf, old).cmdline("gpuctl.boot=host");
  host.set("vm", true);
  host.machine.file(conf, "# mine\n");
  for (const auto* boot : {"boot-b", "boot-c"}) {
    host.boot(boot);
    REQUIRE(said(host).size() == 1);
    CHECK(said(host)[0].starts_with("boot-policy-lines-left: take \"# gpuctl boot policy: \" away"));
    CHECK(host.root.text(conf) == "# mine");
  }
  host.machine.file(conf, old);
  host.boot("boot-d");
  CHECK(said(host).size() == 1);
  CHECK(said(host)[0].starts_with("boot-policy-initramfs-behind"));
}

TEST_CASE("a file that cannot be written does not hold up the boot") {
  PolicyHost host;
  host.set("vm");
  const auto too_long =
      "etc/modprobe.d/" + std::string(245, 'x') + ".conf";  // for a temporary file beside it
  const FileEdits migrated{{too_long, "options vfio-pci ids=10de:25a0\n", "# away\n"}};
  host.machine.file(too_long, "# away\n");
  auto policies = host.service.boot_policies();
  policies[0].migrated = migrated;
  BootStore{host.systemd.paths().state}.save(policies);
  host.boot("boot-b");
  CHECK_NOTHROW(host.boot("boot-c"));
  CHECK_FALSE(host.root.exists(trial_rules));
  CHECK(host.service.boot_policies()[0].state == PolicyState::reverted);
  CHECK(host.service.boot_policies()[0].migrated == migrated);
  CHECK(read_exactly(host.root, too_long) == "# away\n");
  CHECK(host.systemd.commands.empty());
  host.machine.file(too_long, "# by hand\n");
  host.set("clear");
  CHECK(host.systemd.commands == Texts{"/usr/sbin/update-initramfs -u -k all"});
}
