// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include <nlohmann/json.hpp>

#include "cli/output/table.hpp"
#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;

namespace {

Program laptop() {
  Program program;
  program.daemon.objects = reference_laptop();
  return program;
}

constexpr auto nvidia_json = R"({
      "address": "0000:01:00.0",
      "slot": "0000:01:00",
      "name": "GA107M [GeForce RTX 3050 Ti Mobile]",
      "vendor": "NVIDIA Corporation",
      "vendor_id": "10de",
      "device_id": "25a0",
      "state": "host",
      "driver": "nvidia",
      "iommu_group": 15,
      "isolated": true,
      "boot_display": false,
      "vm": null,
      "functions": [
        {
          "address": "0000:01:00.0",
          "class": "0300",
          "vendor_id": "10de",
          "device_id": "25a0",
          "subsystem_vendor_id": "1043",
          "subsystem_device_id": "1ccc",
          "driver": "nvidia",
          "modules": [
            "nouveau",
            "nvidia_drm",
            "nvidia"
          ],
          "driver_override": null,
          "power_state": "D0",
          "reset_methods": [
            "flr",
            "bus"
          ],)";

}  // namespace

TEST_CASE("list on a terminal is an aligned table with a header") {
  auto program = laptop();
  program.terminal = true;
  CHECK(program.run({"list"}).out ==
        "ADDRESS       NAME                                                    DRIVER  GROUP  STATE  VM\n"
        "0000:00:02.0  Intel Corporation Alder Lake-P GT2 [Iris Xe Graphics]   i915    0      host   -\n"
        "0000:01:00.0  NVIDIA Corporation GA107M [GeForce RTX 3050 Ti Mobile]  nvidia  15     host   -\n");
}

TEST_CASE("the only thing that gives way on a narrow terminal is the widest column") {
  auto program = laptop();
  program.terminal = true;
  program.width = 72;
  CHECK(program.run({}).out ==
        "ADDRESS       NAME                              DRIVER  GROUP  STATE  VM\n"
        "0000:00:02.0  Intel Corporation Alder Lake-P …  i915    0      host   -\n"
        "0000:01:00.0  NVIDIA Corporation GA107M [GeFo…  nvidia  15     host   -\n");
}

TEST_CASE("a very narrow terminal still has every column, and no line is longer than it") {
  auto program = laptop();
  program.terminal = true;
  for (const std::size_t width : {20U, 30U, 50U}) {
    program.width = width;
    std::istringstream lines{program.run({}).out};
    for (std::string line; std::getline(lines, line);) CHECK(display_width(line) <= width);
  }
}

TEST_CASE("list is what runs without a command") {
  auto program = laptop();
  const auto with = program.run({"list"}), without = program.run({});
  CHECK(with.out == without.out);
  CHECK(with.status == 0);
}

TEST_CASE("piped, list is one tab-separated record a GPU") {
  auto program = laptop();
  program.daemon.objects = reference_laptop_with_vm();
  CHECK(program.run({"list"}).out ==
        "0000:00:02.0\tIntel Corporation Alder Lake-P GT2 [Iris Xe Graphics]\ti915\t0\thost\t-\n"
        "0000:01:00.0\tNVIDIA Corporation GA107M [GeForce RTX 3050 Ti Mobile]\tvfio-pci\t15\tvm\twin11\n");
}

TEST_CASE("colour is for terminals only, and neither with NO_COLOR nor with --no-color") {
  auto program = laptop();
  program.no_color = false;
  CHECK(program.run({"list"}).out.find('\x1b') == std::string::npos);
  program.terminal = true;
  CHECK(program.run({"list"}).out.find("\x1b[32mhost\x1b[0m") != std::string::npos);
  CHECK(program.run({"list", "--no-color"}).out.find('\x1b') == std::string::npos);
  CHECK(program.run({"list", "--json"}).out.find('\x1b') == std::string::npos);
  program.no_color = true;
  CHECK(program.run({"list"}).out.find('\x1b') == std::string::npos);
  program.no_color = false;
  program.dumb = true;
  CHECK(program.run({"list"}).out.find('\x1b') == std::string::npos);
}

TEST_CASE("list --json has the documented keys in their order") {
  auto program = laptop();
  const auto out = program.run({"--json", "list"}).out;
  CHECK(out.find(nvidia_json) != std::string::npos);
  CHECK(nlohmann::json::parse(out)["gpus"].size() == 2);
  CHECK(program.run({"list", "--json"}).out == out);
}

TEST_CASE("a GPU without IOMMU group is shown with none") {
  auto program = laptop();
  program.daemon.objects.groups.clear();
  for (auto& gpu : program.daemon.objects.gpus) gpu.group_path.clear();
  const auto json = nlohmann::json::parse(program.run({"--json"}).out);
  CHECK(json["gpus"][1]["iommu_group"].is_null());
  CHECK(json["gpus"][1]["isolated"] == false);
  CHECK(program.run({}).out.find("\tnvidia\t-\thost\t-\n") != std::string::npos);
}

TEST_CASE("which GPU is meant by none does not hang on what stands in its way") {
  auto program = laptop();
  auto& gpus = program.daemon.objects.gpus;
  auto second = *std::ranges::find_if_not(gpus, &Gpu::boot_display);
  second.path = "/org/gpuctl1/gpus/0000_02_00";
  second.address = "0000:02:00.0";
  second.problems = {{"display-in-use", "blocker", second.address, "It lights a screen.", ""}};
  gpus.push_back(second);
  CHECK(program.run({"show"}).status == 2);
  for (auto& gpu : gpus) gpu.boot_display = gpu.address == second.address;
  CHECK(program.run({"show"}).out.find(second.address) == std::string::npos);
}

TEST_CASE("a machine without GPUs says so to people and nothing to programs") {
  Program program;
  CHECK(program.run({"list"}).out.empty());
  CHECK(nlohmann::json::parse(program.run({"--json"}).out) == nlohmann::json::parse(R"({"gpus":[]})"));
  program.terminal = true;
  CHECK(program.run({"list"}).out == "This machine has no GPU.\n");
}
