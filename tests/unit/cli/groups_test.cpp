// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support/gpu_arguments.hpp"
#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;

namespace {

Program laptop() {
  Program program;
  program.daemon.objects = reference_laptop();
  return program;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const std::string group_15 = R"(IOMMU Group 15:
  0000:01:00.0 VGA compatible controller [0300]: NVIDIA Corporation GA107M [GeForce RTX 3050 Ti Mobile] [10de:25a0] (rev a1)
      Subsystem: ASUSTeK Computer Inc. Device [1043:1ccc]
      Kernel driver in use: nvidia      Kernel modules: nouveau, nvidia_drm, nvidia
  0000:01:00.1 Audio device [0403]: NVIDIA Corporation GA107 High Definition Audio Controller [10de:2291] (rev a1)
      Subsystem: ASUSTeK Computer Inc. Device [1043:1ccc]
      Kernel driver in use: snd_hda_intel      Kernel modules: snd_hda_intel
)";

}  // namespace

TEST_CASE("groups prints what lspci -nnk prints, and a verdict") {
  auto program = laptop();
  const auto out = program.run({"groups"}).out;
  CHECK(contains(out, group_15 + "  Verdict: isolated\n"));
  CHECK_FALSE(contains(out, "IOMMU Group 7:"));
}

TEST_CASE(
    "groups --all has the groups without a GPU too, in the order of their numbers, each with its verdict") {
  auto program = laptop();
  const auto out = program.run({"groups", "--all"}).out;
  CHECK(contains(out, R"(IOMMU Group 7:
  0000:00:14.3 Network controller [0280]: Device [8086:51f0] (rev 01)
      Subsystem: Device [8086:0074]
      Kernel modules: iwlwifi
  Verdict: not isolated
IOMMU Group 15:)"));
  CHECK(out.starts_with("IOMMU Group 0:\n"));
}

TEST_CASE("a group that is not isolated names what forbids, and what to do") {
  auto program = laptop();
  auto& group = program.daemon.objects.groups[2];
  group.isolated = false;
  group.problems = {{"foreign-device", "blocker", "0000:02:00.0",
                     "0000:02:00.0 (NVMe) shares IOMMU group 15.", "Move it to another slot."}};
  CHECK(contains(program.run({"groups"}).out,
                 "  Verdict: not isolated\n"
                 "      0000:02:00.0 (NVMe) shares IOMMU group 15.\n"
                 "        Move it to another slot.\n"));
}

TEST_CASE("groups --json tells which GPUs are in a group") {
  auto program = laptop();
  const auto json = nlohmann::json::parse(program.run({"groups", "--json"}).out);
  REQUIRE(json["groups"].size() == 2);
  CHECK(json["groups"][1]["number"] == 15);
  CHECK(json["groups"][1]["gpus"] == nlohmann::json{"0000:01:00.0"});
  CHECK(json["groups"][1]["devices"].size() == 2);
}

TEST_CASE("show is one GPU with its group as lspci -nnk tells it, power, reset, holders and problems") {
  auto program = laptop();
  program.daemon.users = {{0, 0, "", "", "", "bound console fbcon", "vtcon1", "Unbind the console."}};
  const auto out = program.run({"show", "01:00"}).out;
  CHECK(contains(out,
                 "0000:01:00.0 NVIDIA Corporation GA107M [GeForce RTX 3050 Ti Mobile]\n"
                 "  State: host\n  Boot display: no\nIOMMU Group 15:\n"));
  CHECK(contains(out,
                 "      Kernel driver in use: nvidia      Kernel modules: nouveau, nvidia_drm, nvidia\n"
                 "      Power: D0      Reset: flr, bus\n"));
  CHECK(contains(out, "      Power: D3hot      Reset: none\n"));
  CHECK(contains(out, "Held by:\n0\t-\t-\t-\t-\tbound console fbcon\tvtcon1\tUnbind the console.\n"));
  CHECK(program.daemon.calls.back() == "objects");  // after the search, which reads the GPU again
}

TEST_CASE("functions in groups of their own: show has each group, and isolated means all of them") {
  auto program = laptop();
  auto& objects = program.daemon.objects;
  auto& first = objects.groups[2];
  REQUIRE(first.devices.size() == 2);
  Group second{"/org/gpuctl1/groups/16", 16, "DMA-FQ", {first.devices[1]}, false, {}};
  first.devices.pop_back();
  objects.groups.push_back(second);
  const auto out = program.run({"show", "01:00"}).out;
  CHECK(contains(out, "IOMMU Group 15:\n  0000:01:00.0"));
  CHECK(contains(out, "IOMMU Group 16:\n  0000:01:00.1"));
  const auto gpu = nlohmann::json::parse(program.run({"show", "01:00", "--json"}).out)["gpu"];
  CHECK(gpu["iommu_group"] == 15);
  CHECK(gpu["isolated"] == false);
  CHECK(nlohmann::json::parse(program.run({"groups", "--json"}).out)["groups"].size() == 3);
}

TEST_CASE("show says that a GPU on the host goes to its VM again") {
  auto program = laptop();
  program.daemon.objects.gpus[1].vm = "win11";
  CHECK(contains(program.run({"show", "01:00"}).out, "  State: host, at its next start with VM win11\n"));
}

TEST_CASE("show still shows the rest when holders cannot be found out") {
  auto program = laptop();
  program.daemon.failures.emplace("users", refusal("TimedOut", "The search took too long."));
  const auto outcome = program.run({"show", "0000:01:00.1"});
  CHECK(outcome.status == 0);
  CHECK(contains(outcome.out, "IOMMU Group 15:"));
  CHECK(contains(outcome.err, "The search took too long."));
}

TEST_CASE(
    "a GPU is found by address, slot, ids or part of its name, and unnamed when only one can be given away") {
  auto program = laptop();
  for (const auto* argument : {"0000:01:00.0", "0000:01:00.1", "01:00.1", "0000:01:00", "01:00", "10de:25a0",
                               "10DE:25A0", "geforce", ""}) {
    CAPTURE(argument);
    CHECK(nlohmann::json::parse(program.run({"--json", "show", argument}).out)["gpu"]["address"] ==
          "0000:01:00.0");
  }
}

TEST_CASE("each argument of the common table means what it means to the daemon") {
  auto program = laptop();
  for (const auto& [argument, outcome] : gpuctl::test::gpu_arguments) {
    CAPTURE(argument);
    const auto json = nlohmann::json::parse(program.run({"--json", "show", argument}).out);
    CHECK((json.contains("gpu") ? json["gpu"]["address"] : json["error"]["name"]) == outcome);
  }
}

TEST_CASE(
    "a GPU that is not there is exit 5, one that is not named well enough is exit 2 with the candidates") {
  auto program = laptop();
  for (const auto* argument : {"0000:05:00.0", "radeon", "8086:ffff", "zz"}) {
    CAPTURE(argument);
    CHECK(program.run({"show", argument}).status == 5);
  }
  const auto ambiguous = program.run({"show", "corporation"});
  CHECK(ambiguous.status == 2);
  CHECK(contains(ambiguous.err, "0000:00:02.0 (Alder Lake-P GT2 [Iris Xe Graphics]), 0000:01:00.0 (GA107M"));
}
