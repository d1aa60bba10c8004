// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/boot_policy.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "core/error.hpp"
#include "host/boot_rules.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const PciAddress gpu_address{0, 1, 0, 0};
const PciAddress audio_address{0, 1, 0, 1};
const KernelCommandLine normal{"quiet"};
const KernelCommandLine emergency{"quiet gpuctl.boot=host"};

/// The reference laptop as a snapshot: discrete GPU 01:00.0/1 beside the integrated one that shows the
/// picture.
Snapshot laptop(const std::string& driver = "nvidia") {
  Snapshot s;
  s.host.iommu = "intel";
  const auto add = [&](PciAddress address, PciIdentity id, const std::string& bound) -> PciFunction& {
    auto& f = s.functions[address];
    f.address = address;
    f.id = id;
    f.driver = bound;
    f.vfio = bound == "vfio-pci";
    return f;
  };
  add(gpu_address, laptop_gpu_id, driver);
  add(audio_address, laptop_audio_id, driver == "vfio-pci" ? driver : "snd_hda_intel");
  add({0, 0, 2, 0}, laptop_igpu_id, "i915").boot_vga = true;
  s.gpus[gpu_address.slot()] = {gpu_address, {gpu_address, audio_address}};
  s.gpus[{0, 0, 2}] = {{0, 0, 2, 0}, {{0, 0, 2, 0}}};
  return s;
}

const Gpu& discrete(const Snapshot& s) { return s.gpus.at(gpu_address.slot()); }

BootPolicies with_policy(BootSide side, const Snapshot& s = laptop()) {
  return {new_policy(discrete(s), side, s, "boot-a")};
}

std::vector<std::string> ids(const Problems& problems) {
  std::vector<std::string> all;
  for (const auto& p : problems) all.push_back(p.id);
  return all;
}

}  // namespace

TEST_CASE("a new policy holds for one boot and is gone in the next unless confirmed") {
  auto policies = with_policy(BootSide::vm);
  CHECK(policies[0].state == PolicyState::pending);
  CHECK_FALSE(boot_rules(policies, RuleFile::trial).empty());

  policies = at_boot(policies, normal, "boot-a");  // the service is restarted in the same boot
  CHECK(policies[0].state == PolicyState::pending);

  policies = at_boot(policies, normal, "boot-b");
  CHECK(policies[0].state == PolicyState::trial);
  CHECK(wants_vm(policies[0], "boot-b"));
  CHECK(boot_rules(policies, RuleFile::trial).empty());
  CHECK(boot_rules(policies, RuleFile::boot).empty());
  CHECK(at_boot(policies, normal, "boot-b") == policies);

  const auto next = at_boot(policies, normal, "boot-c");
  CHECK(next[0].state == PolicyState::reverted);
  CHECK_FALSE(wants_vm(next[0], "boot-c"));
  for (const auto file : rule_files) CHECK(boot_rules(next, file).empty());

  policies[0].state = PolicyState::confirmed;
  const auto kept = at_boot(policies, normal, "boot-c");
  CHECK(wants_vm(kept[0], "boot-c"));
  CHECK_FALSE(boot_rules(kept, RuleFile::boot).empty());
}

TEST_CASE("the kernel argument overrides everything, and ends what was still pending") {
  auto policies = with_policy(BootSide::vm);
  CHECK(at_boot(policies, emergency, "boot-b")[0].state == PolicyState::reverted);
  policies[0].state = PolicyState::confirmed;
  policies = at_boot(policies, emergency, "boot-b");
  CHECK(policies[0].state == PolicyState::confirmed);
  CHECK(boot_actions(policies, emergency, laptop(), "boot-b").actions.empty());
  CHECK(boot_actions(policies, normal, laptop(), "boot-b").actions ==
        std::vector<BootAction>{{gpu_address, BootSide::vm}});
}

TEST_CASE("only what early binding did not reach is left to do") {
  auto policies = with_policy(BootSide::vm);
  policies[0].state = PolicyState::confirmed;
  CHECK(boot_actions(policies, normal, laptop("vfio-pci"), "boot-b").actions.empty());
  CHECK(boot_actions(policies, normal, laptop(""), "boot-b").actions.size() == 1);
}

TEST_CASE("another card at the address is left alone") {
  auto policies = with_policy(BootSide::vm);
  policies[0].state = PolicyState::confirmed;
  auto swapped = laptop();
  swapped.functions[gpu_address].id.device = 0x2684;
  auto result = boot_actions(policies, normal, swapped, "boot-b");
  CHECK(result.actions.empty());
  CHECK(ids(result.problems) == std::vector<std::string>{"boot-policy-card-changed"});
  CHECK(result.problems[0].message.find("10de:2684, not 10de:25a0") != std::string::npos);

  auto twin = laptop();
  twin.functions[gpu_address].id.subsystem_device = 1;
  CHECK(ids(boot_actions(policies, normal, twin, "boot-b").problems) ==
        std::vector<std::string>{"boot-policy-card-changed"});

  auto gone = laptop();
  gone.gpus.erase(gpu_address.slot());
  gone.functions.erase(gpu_address);
  CHECK(ids(boot_actions(policies, normal, gone, "boot-b").problems) ==
        std::vector<std::string>{"boot-policy-gpu-missing"});
}

TEST_CASE("of two equal cards only the one that was named goes") {
  auto s = laptop();
  const PciAddress other{0, 4, 0, 0};
  s.functions[other] = s.functions[gpu_address];
  s.functions[other].address = other;
  s.gpus[other.slot()] = {other, {other}};
  auto policies = with_policy(BootSide::vm, s);
  CHECK(boot_rules(policies, RuleFile::trial).find("0000:04:00.0") == std::string::npos);
  policies[0].state = PolicyState::confirmed;
  CHECK(boot_actions(policies, normal, s, "boot-b").actions ==
        std::vector<BootAction>{{gpu_address, BootSide::vm}});
  s.functions.erase(gpu_address);  // the other slot is no substitute for a card that was taken out
  s.gpus.erase(gpu_address.slot());
  CHECK(boot_actions(policies, normal, s, "boot-b").actions.empty());
}

TEST_CASE("the GPU that shows the host's picture is refused, when set and at boot") {
  const auto s = laptop();
  CHECK(ids(boot_policy_problems(s.gpus.at({0, 0, 2}), BootSide::vm, s)) ==
        std::vector<std::string>{"boot-policy-boot-display"});
  CHECK(boot_policy_problems(discrete(s), BootSide::vm, s).empty());
  CHECK(boot_policy_problems(s.gpus.at({0, 0, 2}), BootSide::host, s).empty());

  auto policies = with_policy(BootSide::vm);
  policies[0].state = PolicyState::confirmed;
  auto moved = laptop();
  moved.functions[gpu_address].boot_vga = true;  // the other GPU was taken out
  const auto result = boot_actions(policies, normal, moved, "boot-b");
  CHECK(result.actions.empty());
  CHECK(ids(result.problems) == std::vector<std::string>{"boot-policy-boot-display"});
  auto taken = laptop("vfio-pci");  // by the rule of an older gpuctl
  taken.functions[gpu_address].boot_vga = true;
  CHECK(boot_actions(policies, normal, taken, "boot-b").actions ==
        std::vector<BootAction>{{gpu_address, BootSide::host}});
}

TEST_CASE("\"last\" follows the GPU from one boot to the next") {
  auto policies = with_policy(BootSide::last, laptop("vfio-pci"));
  CHECK(policies[0].last == BootSide::vm);
  policies[0].state = PolicyState::confirmed;
  CHECK_FALSE(boot_rules(policies, RuleFile::last).empty());
  CHECK(boot_rules(policies, RuleFile::boot).empty());
  policies = at_shutdown(policies, laptop("nvidia"));
  CHECK(policies[0].last == BootSide::host);
  CHECK(boot_rules(policies, RuleFile::last).empty());
  CHECK(boot_actions(policies, normal, laptop(), "boot-b").actions.empty());
  policies = at_shutdown(policies, laptop("vfio-pci"));
  CHECK(boot_actions(policies, normal, laptop(), "boot-b").actions.size() == 1);
}

TEST_CASE("\"host\" needs no confirmation and brings back what something else took") {
  auto policies = with_policy(BootSide::host);
  CHECK(policies[0].state == PolicyState::confirmed);
  CHECK(boot_actions(policies, normal, laptop(), "boot-b").actions.empty());
  CHECK(boot_actions(policies, normal, laptop("vfio-pci"), "boot-b").actions ==
        std::vector<BootAction>{{gpu_address, BootSide::host}});
}

TEST_CASE("rules name address and ids of each function, before udev loads drivers") {
  auto policies = with_policy(BootSide::vm);
  const auto rules = boot_rules(policies, RuleFile::trial);
  CHECK(rules.find(
            "KERNEL==\"0000:01:00.0\", DRIVER==\"\", ATTR{vendor}==\"0x10de\", ATTR{device}==\"0x25a0\", "
            "ATTR{subsystem_vendor}==\"0x1043\", ATTR{subsystem_device}==\"0x1ccc\", "
            "ATTR{driver_override}=\"vfio-pci\"") != std::string::npos);
  CHECK(rules.find("KERNEL==\"0000:01:00.1\"") != std::string::npos);
  const auto first = rules.find("KERNEL==");
  CHECK(rules.find("ENV{gpuctl.boot}==\"host\", GOTO=") < first);
  CHECK(rules.find("TEST!=\"iommu_group\", GOTO=") < first);
  CHECK(
      rules.find(
          "KERNEL==\"0000:01:00.*\", ATTR{[pci/0000:01:00.0]boot_vga}==\"1\", GOTO=\"gpuctl_boot_end\"\n") ==
      first);
  for (const auto file : rule_files)
    CHECK(path_of(file).substr(path_of(file).rfind('/') + 1) < "80-drivers.rules");
}

TEST_CASE("rules do nothing once gpuctld is gone, but in an initramfs they count without it") {
  auto policies = with_policy(BootSide::vm);
  policies[0].state = PolicyState::confirmed;
  const auto rules = boot_rules(policies, RuleFile::boot);
  const auto gone = rules.find(fmt::format("\nTEST!=\"{}\", GOTO=\"gpuctl_boot_end\"\n", installed_daemon()));
  const auto label = rules.find("\nLABEL=\"gpuctl_boot_begin\"\n");
  REQUIRE(gone != std::string::npos);
  CHECK(gone < label);
  CHECK(label < rules.find("KERNEL=="));
  std::vector<std::string> marks;
  for (std::size_t at = 0; (at = rules.find("\nTEST==", at)) < gone; ++at)
    marks.push_back(rules.substr(at + 1, rules.find(", GOTO=\"gpuctl_boot_begin\"\n", at) - at - 1));
  const std::string by_dracut = "TEST==\"/etc/dracut.conf.d/90-gpuctl.conf\"";
  CHECK(marks == std::vector<std::string>{
                     "TEST==\"/etc/initrd-release\", " + by_dracut,
                     "TEST==\"/lib/dracut-lib.sh\", " + by_dracut,
                     "TEST==\"/etc/initrd-release\", TEST==\"/etc/mkinitcpio.conf.d/90-gpuctl.conf\"",
                     "TEST==\"/conf/gpuctl\""});
}

TEST_CASE(
    "a trial, or the side that a GPU was on last, has no effect in an initramfs that copies all rules") {
  auto last = with_policy(BootSide::last, laptop("vfio-pci"));
  last[0].state = PolicyState::confirmed;
  const auto gone = fmt::format("\nTEST!=\"{}\", GOTO=\"gpuctl_boot_end\"\n", installed_daemon());
  for (const auto& rules :
       {boot_rules(with_policy(BootSide::vm), RuleFile::trial), boot_rules(last, RuleFile::last)}) {
    CHECK(rules.find(gone) < rules.find("KERNEL=="));
    CHECK(rules.find("TEST==") == std::string::npos);
  }
}

TEST_CASE("policies read back, and nothing but policies are some") {
  auto policies = with_policy(BootSide::last);
  policies[0].migrated = {{"etc/modprobe.d/vfio.conf", "a\n", "# a\n"}};
  policies[0].late = true;
  policies[0].initramfs_behind = true;
  CHECK(boot_policies(to_json(policies)) == policies);
  for (const auto* bad : {"", "{}", "[]", R"({"policies":[{"gpu":"01:00"}]})"})
    CHECK_THROWS_AS(boot_policies(bad), Error);
  for (const auto* number : {"1e70", "-1", "1.5", "65536", "\"4318\""}) {
    auto text = to_json(policies);
    const std::string vendor = "\"vendor\": 4318";
    text.replace(text.find(vendor), vendor.size(), std::string{"\"vendor\": "} + number);
    CHECK_THROWS_AS(boot_policies(text), Error);
  }
}

TEST_CASE(
    "the policy that is meant is found by address, slot or being the only one, whatever is in the slot") {
  auto policies = with_policy(BootSide::vm);
  for (const auto* typed : {"0000:01:00.0", "01:00.0", "01:00.1", "0000:01:00", "01:00", ""})
    CHECK(gpu_with_policy(policies, typed) == gpu_address);
  for (const auto* typed : {"01:00.2", "02:00", "0001:01:00.0", "GeForce"})
    CHECK_THROWS_WITH_AS(gpu_with_policy(policies, typed), doctest::Contains("gpuctl boot show"), Error);
  policies.push_back(policies[0]);
  policies[1].gpu = {0, 2, 0, 0};
  policies[1].functions = {};
  CHECK(gpu_with_policy(policies, "02:00") == PciAddress{0, 2, 0, 0});
  CHECK_THROWS_WITH_AS(gpu_with_policy(policies, ""),
                       doctest::Contains("say which one: 0000:01:00.0, 0000:02"), Error);
  CHECK_THROWS_WITH_AS(gpu_with_policy({}, ""), doctest::Contains("No GPU has a boot policy"), Error);
}
