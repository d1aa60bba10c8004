// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/declining_modules.hpp"

#include <doctest/doctest.h>

#include "support/fake_machine.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

using Names = std::vector<std::string>;

const Names for_radeon{"radeon", "amdgpu"}, for_arc{"i915", "xe"};

struct Modules {
  FakeMachine machine;
  RootDir root{machine.root()};

  void has(const std::string& parameter, const std::string& value) {
    machine.file("sys/module/" + parameter, value + "\n");
  }
  Names radeon(std::uint16_t device) const { return without_declining(for_radeon, {0x1002, device}, root); }
  Names arc(std::uint16_t device) const { return without_declining(for_arc, {0x8086, device}, root); }
};

}  // namespace

TEST_CASE("of the two drivers for an older Radeon the one that its parameters let have it is left") {
  Modules modules;
  CHECK(modules.radeon(0x67b0) == for_radeon);  // neither is loaded: nothing is known
  modules.has("radeon/parameters/si_support", "1");
  modules.has("radeon/parameters/cik_support", "0");
  modules.has("amdgpu/parameters/si_support", "0");
  modules.has("amdgpu/parameters/cik_support", "1");
  CHECK(modules.radeon(0x67b0) == Names{"amdgpu"});
  CHECK(modules.radeon(0x6818) == Names{"radeon"});
  CHECK(modules.radeon(0x73bf) == for_radeon);
  modules.has("amdgpu/parameters/cik_support", "0");
  CHECK(modules.radeon(0x67b0) == for_radeon);  // nobody's, and no reason to name none
}

TEST_CASE("an older Radeon that nobody has chosen a driver for is amdgpu's") {
  Modules modules;
  for (const auto* module : {"radeon", "amdgpu"})
    modules.has(std::string{module} + "/parameters/si_support", "-1");
  CHECK(modules.radeon(0x6798) == Names{"amdgpu"});
  CHECK(modules.radeon(0x6840) == for_radeon);  // a Thames, of the generation before
}

TEST_CASE("an Arc is not for the driver that it is forbidden to") {
  Modules modules;
  modules.has("i915/parameters/force_probe", "!56a0,4680");
  modules.has("xe/parameters/force_probe", "56a0");
  CHECK(modules.arc(0x56a0) == Names{"xe"});
  CHECK(modules.arc(0x4680) == for_arc);
  modules.has("i915/parameters/force_probe", "!*");
  CHECK(modules.arc(0x4680) == Names{"xe"});
  modules.has("i915/parameters/force_probe", "*");
  CHECK(modules.arc(0x56a0) == for_arc);
}
