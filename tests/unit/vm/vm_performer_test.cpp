// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_performer.hpp"

#include <doctest/doctest.h>

#include "support/fake_hypervisor.hpp"
#include "support/fake_machine.hpp"
#include "unit/vm/domains.hpp"
#include "unit/vm/error_of.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const std::vector gpu{pci("0000:0b:00.0"), pci("0000:0b:00.1")};
const std::string uuid = "11111111-2222-3333-4444-555555555555";
const Step add{StepKind::vm_add_devices, uuid, "", address_list(gpu)};
const Step plug{StepKind::vm_plug, uuid, "", address_list(gpu)};
const Step start{StepKind::vm_start, uuid, "", ""};

struct Lab {
  FakeMachine files;
  FakeHypervisor libvirt;
  Vm& vm = libvirt.add(q35("    <input type='mouse' bus='ps2'/>\n"));
  VmPerformer performer{libvirt, {.locks = files.root() / "run/vm"}};
  VmPerformer live{libvirt, {.locks = files.root() / "run/vm", .live = true}};
};

}  // namespace

TEST_CASE("functions go into the definition, and the inverse step takes them out") {
  Lab lab;
  const auto before = lab.vm.inactive_xml;
  lab.performer.perform(add);
  CHECK(own_functions(lab.vm.inactive_xml) == gpu);
  lab.performer.perform(*inverse(add));
  CHECK(lab.vm.inactive_xml == before);
}

TEST_CASE("a step whose effect is there already changes nothing") {
  Lab lab;
  lab.performer.perform(add);
  lab.performer.perform(start);
  lab.libvirt.calls.clear();
  lab.performer.perform(add);
  CHECK(lab.libvirt.calls.empty());
  lab.live.perform(plug);  // it was started with them
  CHECK(lab.libvirt.calls.empty());
  lab.performer.perform(*inverse(start));
  lab.performer.perform(*inverse(start));
  lab.performer.perform(*inverse(add));
  lab.libvirt.calls.clear();
  lab.performer.perform(*inverse(add));
  lab.performer.perform(*inverse(plug));
  CHECK(lab.libvirt.calls.empty());
}

TEST_CASE("a running domain is refused unless it may be changed live") {
  Lab lab;
  FakeHypervisor::run(lab.vm);
  CHECK(error_of([&] { lab.performer.perform(add); }) == ErrorCode::vm_running);
  CHECK(own_functions(lab.vm.inactive_xml).empty());
  lab.live.perform(add);
  lab.live.perform(plug);
  CHECK(own_functions(lab.vm.live_xml) == gpu);
  CHECK(error_of([&] { lab.performer.perform(*inverse(add)); }) == ErrorCode::vm_running);
  lab.live.perform(*inverse(plug));
  CHECK(own_functions(lab.vm.live_xml).empty());
  lab.performer.perform(*inverse(add));  // it no longer uses them
  CHECK(own_functions(lab.vm.inactive_xml).empty());
}

TEST_CASE("functions are plugged in order and unplugged in reverse") {
  Lab lab;
  FakeHypervisor::run(lab.vm);
  lab.live.perform(plug);
  lab.live.perform(*inverse(plug));
  CHECK(lab.libvirt.calls == std::vector<std::string>{"attach 0000:0b:00.0", "attach 0000:0b:00.1",
                                                      "detach 0000:0b:00.1", "detach 0000:0b:00.0"});
}

TEST_CASE("a function that cannot be plugged takes the others out again") {
  Lab lab;
  FakeHypervisor::run(lab.vm);
  lab.libvirt.refuse_plug = {gpu.at(1)};
  CHECK(error_of([&] { lab.live.perform(plug); }) == ErrorCode::kernel_refused);
  CHECK(claimed_functions(lab.vm.live_xml).empty());
}

TEST_CASE("a guest that keeps its device makes the step time out") {
  Lab lab;
  FakeHypervisor::run(lab.vm);
  lab.live.perform(plug);
  lab.libvirt.keep_plugged = {gpu.at(0)};
  CHECK(error_of([&] { lab.live.perform(*inverse(plug)); }) == ErrorCode::timed_out);
}

TEST_CASE("plugging into a domain that is off, and into a transient one's definition, is refused") {
  Lab lab;
  CHECK(error_of([&] { lab.live.perform(plug); }) == ErrorCode::kernel_refused);
  lab.vm.persistent = false;
  CHECK(error_of([&] { lab.performer.perform(add); }) == ErrorCode::not_supported);
}

TEST_CASE("what libvirt only claims to have done is found out") {
  Lab lab;
  lab.libvirt.ignore_define = true;
  CHECK(error_of([&] { lab.performer.perform(add); }) == ErrorCode::kernel_refused);
}

TEST_CASE("a start that fails carries libvirt's sentence") {
  Lab lab;
  lab.libvirt.fail_start = "Hook script execution failed";
  CHECK_THROWS_WITH(lab.performer.perform(start), "Hook script execution failed");
}

TEST_CASE("a VM whose state was saved is not started, and its saved state stays") {
  Lab lab;
  lab.performer.perform(add);
  lab.vm.managed_save = true;
  CHECK(error_of([&] { lab.performer.perform(start); }) == ErrorCode::blocked);
  CHECK_FALSE(is_active(lab.vm));
  CHECK(lab.vm.managed_save);
}

TEST_CASE("a start is proven by the devices that the running domain has") {
  Lab lab;
  lab.libvirt.restored = lab.vm.inactive_xml;
  lab.performer.perform(add);
  CHECK(error_of([&] { lab.performer.perform(start); }) == ErrorCode::kernel_refused);
}

TEST_CASE("a VM that runs already, whoever started it, is not started") {
  Lab lab;
  FakeHypervisor::run(lab.vm);
  lab.live.perform(add);
  lab.libvirt.calls.clear();
  lab.live.perform(start);
  CHECK(lab.libvirt.calls.empty());
}

TEST_CASE("undoing anything in a domain that is gone is done; doing it is not") {
  Lab lab;
  lab.libvirt.domains.clear();
  for (const auto& step : {add, plug, start}) lab.live.perform(*inverse(step));
  for (const auto& step : {add, plug, start})
    CHECK(error_of([&] { lab.live.perform(step); }) == ErrorCode::vm_not_found);
}

TEST_CASE("lists of functions read back, and anything else is refused") {
  CHECK(parse_address_list(address_list(gpu)) == gpu);
  CHECK(parse_address_list("[]").empty());
  for (const auto* text : {"", "{", "{}", "7", "[7]", "[\"01:00.0\"]", "\"0000:01:00.0\""})
    CHECK(error_of([&] { parse_address_list(text); }) == ErrorCode::invalid_argument);
}

TEST_CASE("only steps of VMs are taken") {
  for (int i = 0; i < step_kind_count; ++i) {
    const auto kind = static_cast<StepKind>(i);
    CHECK(VmPerformer::performs(kind) == to_string(kind).starts_with("vm-"));
  }
}
