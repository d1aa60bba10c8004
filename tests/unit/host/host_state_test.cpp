// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/host_state.hpp"

#include <doctest/doctest.h>

#include "host/kernel_command_line.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

TEST_CASE("the reference laptop has an Intel IOMMU and VT-x") {
  FakeMachine machine;
  reference_laptop(machine);
  const auto state = read_host_state(RootDir{machine.root()});
  CHECK(state.iommu == "intel");
  CHECK(state.virtualization == "vmx");
  CHECK_FALSE(state.unsafe_noiommu);
  CHECK_FALSE(state.acs_override);
  CHECK_FALSE(state.gpu_mux_mode.has_value());
}

TEST_CASE("IOMMU units without groups isolate nothing") {
  FakeMachine machine;
  machine.iommu("amd").cpu_flags("fpu svm");
  const auto state = read_host_state(RootDir{machine.root()});
  CHECK(state.iommu == "none");
  CHECK(state.virtualization == "svm");
}

TEST_CASE("what weakens isolation is told") {
  FakeMachine machine;
  reference_laptop(machine);
  machine.file("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n")
      .cmdline("quiet pcie_acs_override=downstream,multifunction")
      .gpu_mux_mode(0);
  const auto state = read_host_state(RootDir{machine.root()});
  CHECK(state.unsafe_noiommu);
  CHECK(state.acs_override);
  CHECK(state.gpu_mux_mode == 0);
}

TEST_CASE("an empty root is a host without anything") {
  const FakeMachine machine;
  CHECK(read_host_state(RootDir{machine.root()}) == HostState{});
}

TEST_CASE("kernel arguments keep quoted blanks together, and the last value wins") {
  const KernelCommandLine line{
      "quiet dyndbg=\"file a +p; file b +p\" intel_iommu=off  intel-iommu=on vfio-pci.ids=10de:1,10de:2\n"};
  CHECK(line.arguments().size() == 5);
  CHECK(line.value("dyndbg") == "file a +p; file b +p");
  CHECK(line.value("intel_iommu") == "on");
  CHECK(line.value("quiet") == "");
  CHECK_FALSE(line.value("quie").has_value());
  CHECK(line.list("vfio_pci.ids") == std::vector<std::string>{"10de:1", "10de:2"});
  CHECK(line.has("intel_iommu=off"));
}
