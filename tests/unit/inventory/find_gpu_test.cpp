// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/find_gpu.hpp"

#include <utility>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "inventory/scan.hpp"
#include "support/gpu_arguments.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

Snapshot laptop() {
  FakeMachine m;
  reference_laptop(m);
  auto snapshot = scan(RootDir{m.root()}, {});
  snapshot.host.iommu = "intel";
  snapshot.functions.at({0, 1, 0, 0}).names = {.vendor = "NVIDIA Corporation",
                                               .device = "GA107M [GeForce RTX 3050 Ti Mobile]"};
  snapshot.functions.at({0, 0, 2, 0}).names = {.vendor = "Intel Corporation",
                                               .device = "TigerLake-H GT1 [UHD Graphics]"};
  return snapshot;
}

/// A second card like the first, in slot 05:00.
Snapshot two_cards() {
  auto snapshot = laptop();
  auto twin = snapshot.functions.at({0, 1, 0, 0});
  twin.address = {0, 5, 0, 0};
  snapshot.functions.emplace(twin.address, twin);
  snapshot.gpus.emplace(twin.address.slot(), Gpu{.address = twin.address, .functions = {twin.address}});
  return snapshot;
}

std::string found(const Snapshot& snapshot, std::string_view argument,
                  GpuChoice choice = GpuChoice::attachable) {
  return find_gpu(snapshot, argument, choice).address.str();
}

struct Refusal {
  ErrorCode code;
  std::string sentence;
};

Refusal refused(const Snapshot& snapshot, std::string_view argument,
                GpuChoice choice = GpuChoice::attachable) {
  try {
    return {ErrorCode::internal, "found " + found(snapshot, argument, choice)};
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
}

}  // namespace

TEST_CASE("a GPU is found by address of any function, slot, ids or part of its name in any case") {
  const auto snapshot = laptop();
  for (const auto* argument :
       {"0000:01:00.0", "0000:01:00.1", "0000:01:00", "01:00", "10de:25a0", "10DE:25A0", "10de:2291", "3050",
        "geforce rtx", "NVIDIA", "nvidia corporation ga107m", ""})
    CHECK_MESSAGE(found(snapshot, argument) == "0000:01:00.0", argument);
  CHECK(found(snapshot, "uhd") == "0000:00:02.0");
}

TEST_CASE("each argument of the common table means what it means to the program") {
  const auto snapshot = laptop();
  for (const auto& [argument, outcome] : gpu_arguments) {
    CAPTURE(argument);
    const auto refusal = refused(snapshot, argument);
    if (refusal.code == ErrorCode::internal)
      CHECK(refusal.sentence == "found " + std::string{outcome});
    else
      CHECK(error_name(refusal.code) == outcome);
  }
}

TEST_CASE("what is no GPU is not found, and the sentence says what was asked for") {
  const auto snapshot = laptop();
  for (const auto* argument : {"0000:02:00.0", "02:00", "1234:5678", "radeon", "gpu0", "vm"}) {
    const auto refusal = refused(snapshot, argument);
    CHECK_MESSAGE(refusal.code == ErrorCode::not_found, argument);
    CHECK(refusal.sentence.find(argument) != std::string::npos);
  }
}

TEST_CASE("malformed addresses, control characters and oversized arguments are invalid, quoted safely") {
  const auto snapshot = laptop();
  for (const auto* argument : {"0000:01:00.8", "0000:01", "1:0", ":", "00000000001:01:00.0", "10de:25a",
                               "a\nb", "\x1b[31m", "x\x7f"})
    CHECK_MESSAGE(refused(snapshot, argument).code == ErrorCode::invalid_argument, argument);
  CHECK(refused(snapshot, "a\nb").sentence.find("\"a\\x0ab\"") != std::string::npos);
  const auto big = refused(snapshot, std::string(1000000, 'x'));
  CHECK(big.code == ErrorCode::invalid_argument);
  CHECK(big.sentence.size() < 200);
  CHECK(refused(snapshot, std::string(256, 'x')).code == ErrorCode::not_found);
}

TEST_CASE("when several fit, the candidates are listed") {
  const auto snapshot = two_cards();
  for (const auto* argument : {"10de:25a0", "geforce", ""}) {
    const auto refusal = refused(snapshot, argument);
    CHECK_MESSAGE(refusal.code == ErrorCode::ambiguous_gpu, argument);
    CHECK(refusal.sentence.find("0000:01:00.0 NVIDIA Corporation GA107M") != std::string::npos);
    CHECK(refusal.sentence.find("0000:05:00.0") != std::string::npos);
  }
}

TEST_CASE("nothing means the only GPU that is no boot display and has a group") {
  auto snapshot = two_cards();
  snapshot.functions.at({0, 5, 0, 0}).iommu_group.reset();
  CHECK(found(snapshot, "") == "0000:01:00.0");
  snapshot.functions.at({0, 1, 0, 0}).boot_vga = true;
  CHECK(refused(snapshot, "").code == ErrorCode::not_found);
}

TEST_CASE(
    "nothing means no integrated GPU, unless there is no other: beside the boot display it has to be named") {
  auto snapshot = laptop();
  auto& card = snapshot.functions.at({0, 1, 0, 0});
  auto& integrated = snapshot.functions.at({0, 0, 2, 0});
  std::swap(card.boot_vga, integrated.boot_vga);
  const auto refusal = refused(snapshot, "");
  CHECK(refusal.code == ErrorCode::ambiguous_gpu);
  CHECK(refusal.sentence.find("GeForce") != std::string::npos);
  CHECK(refusal.sentence.find("UHD") != std::string::npos);
  CHECK(found(snapshot, "uhd") == "0000:00:02.0");
  const auto vendor = std::exchange(card.id.vendor, 0x1a03);  // a server's console is no card to wait for
  CHECK(found(snapshot, "") == "0000:00:02.0");
  card.id.vendor = vendor;
  card.boot_vga = false;  // both are free, as on a machine without a screen
  CHECK(found(snapshot, "") == "0000:01:00.0");
  snapshot.gpus.erase({0, 1, 0});
  CHECK(found(snapshot, "") == "0000:00:02.0");
}

TEST_CASE("without any IOMMU nothing still means the GPU, so that the problems can tell about it") {
  auto snapshot = laptop();
  snapshot.host.iommu = "none";
  for (auto& [address, function] : snapshot.functions) function.iommu_group.reset();
  CHECK(found(snapshot, "") == "0000:01:00.0");
}

TEST_CASE("for a release nothing means the only GPU that is away") {
  auto snapshot = two_cards();
  CHECK(refused(snapshot, "", GpuChoice::away).code == ErrorCode::not_found);
  auto& gpu = snapshot.functions.at({0, 5, 0, 0});
  gpu.vfio = true;
  gpu.driver = "vfio-pci";
  CHECK(found(snapshot, "", GpuChoice::away) == "0000:05:00.0");
  snapshot.functions.at({0, 1, 0, 1}).vfio = true;
  CHECK(refused(snapshot, "", GpuChoice::away).code == ErrorCode::ambiguous_gpu);
}

TEST_CASE("a card of which one function has no driver is not away") {
  auto snapshot = two_cards();
  snapshot.functions.at({0, 1, 0, 1}).driver.clear();
  snapshot.functions.at({0, 1, 0, 1}).uevent_driver.clear();
  auto& gpu = snapshot.functions.at({0, 5, 0, 0});
  gpu.vfio = true;
  gpu.driver = "vfio-pci";
  CHECK(found(snapshot, "", GpuChoice::away) == "0000:05:00.0");
}

TEST_CASE("a GPU without a driver is away only when none is on VFIO") {
  auto snapshot = two_cards();
  auto& gpu = snapshot.functions.at({0, 5, 0, 0});
  gpu.driver.clear();
  gpu.uevent_driver.clear();
  CHECK(found(snapshot, "", GpuChoice::away) == "0000:05:00.0");
  snapshot.functions.at({0, 1, 0, 1}).vfio = true;
  CHECK(found(snapshot, "", GpuChoice::away) == "0000:01:00.0");
}
