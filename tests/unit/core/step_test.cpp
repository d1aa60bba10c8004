// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/step.hpp"

#include <doctest/doctest.h>

#include "core/error.hpp"

using namespace gpuctl;

TEST_CASE("every kind of step has a name that reads back") {
  for (int i = 0; i < step_kind_count; ++i) {
    const auto kind = static_cast<StepKind>(i);
    CHECK(step_kind(to_string(kind)) == kind);
  }
  CHECK_FALSE(step_kind("reboot"));
}

TEST_CASE("an inverse taken twice is the step itself") {
  for (int i = 0; i < step_kind_count; ++i) {
    const Step step{static_cast<StepKind>(i), "0000:01:00.0", "nvidia", "vfio-pci"};
    // loading a module, finding a device and opening device files need no undoing
    if (step.kind == StepKind::unload_module || step.kind == StepKind::remove) continue;
    if (step.kind == StepKind::close_nodes) continue;
    if (const auto back = inverse(step)) CHECK(inverse(*back) == step);
  }
}

TEST_CASE("the functions that a VM gets or gives back are told as a person would") {
  const std::string list = R"(["0000:01:00.0","0000:01:00.1"])";
  const Step add{StepKind::vm_add_devices, "uuid", "", list};
  CHECK(add.detail() == "0000:01:00.0, 0000:01:00.1");
  CHECK(inverse(add)->detail() == "0000:01:00.0, 0000:01:00.1");
  CHECK(Step{StepKind::vm_start, "uuid", "", ""}.detail().empty());
}

TEST_CASE("error names read back, and unknown names are internal") {
  for (const auto& [code, name] : error_names) CHECK(error_code(error_name(code)) == code);
  CHECK(error_code("NoSuchName") == ErrorCode::internal);
}
