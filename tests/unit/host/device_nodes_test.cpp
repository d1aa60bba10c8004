// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/device_nodes.hpp"

#include <algorithm>
#include <set>

#include <doctest/doctest.h>

#include "host/nvidia_nodes.hpp"
#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const PciAddress gpu = *PciAddress::parse("0000:01:00.0");
const PciAddress audio = *PciAddress::parse("0000:01:00.1");

GpuNodes nodes_of(const FakeMachine& machine, std::vector<PciAddress> functions = {gpu, audio}) {
  return device_nodes(RootDir{machine.root()}, functions);
}

std::set<std::string> paths(const GpuNodes& found) {
  std::set<std::string> all;
  for (const auto& node : found.nodes) all.insert(node.path);
  return all;
}

const DeviceNode& node(const GpuNodes& found, const std::string& path) {
  return *std::ranges::find(found.nodes, path, &DeviceNode::path);
}

FakeMachine& laptop(FakeMachine& machine) {
  reference_laptop(machine);
  return machine.file("proc/driver/nvidia/gpus/0000:01:00.0/information",
                      "Model: \t\t NVIDIA GeForce RTX 3050 Ti Laptop GPU\nDevice Minor: \t 0\n");
}

}  // namespace

TEST_CASE("all nodes of the reference laptop's GPU are found, and none of the other card's") {
  FakeMachine machine;
  laptop(machine);
  const auto found = paths(nodes_of(machine));
  for (const auto* path : {"/dev/dri/card1", "/dev/dri/renderD129", "/dev/snd/controlC1", "/dev/i2c-5",
                           "/dev/nvidia0", "/dev/nvidia-modeset", "/dev/nvidiactl", "/dev/vfio/15"})
    CHECK_MESSAGE(found.contains(path), path);
  CHECK_FALSE(found.contains("/dev/dri/card0"));
}

TEST_CASE("a node keeps its kind, function and number") {
  FakeMachine machine;
  const auto found = nodes_of(laptop(machine));
  CHECK(node(found, "/dev/dri/card1").kind == NodeKind::drm);
  CHECK(node(found, "/dev/dri/card1").has_number(226, 1));
  CHECK_FALSE(node(found, "/dev/dri/card1").has_number(226, 0));
  CHECK(node(found, "/dev/snd/controlC1").kind == NodeKind::sound);
  CHECK(node(found, "/dev/snd/controlC1").function == audio);
  CHECK(node(found, "/dev/i2c-5").kind == NodeKind::i2c);
  CHECK(node(found, "/dev/nvidia0").has_number(195, 0));
}

TEST_CASE("a jack of the sound card is an input device and a disk on the card's USB port a block device") {
  FakeMachine machine;
  laptop(machine);
  machine.file(machine.directory("0000:01:00.1") + "/sound/card1/input9/event7/dev", "13:71\n");
  machine.file(machine.directory("0000:01:00.0") + "/usb3/3-1/host6/target6:0:0/6:0:0:0/block/sda/sda1/dev",
               "8:1\n");
  const auto found = nodes_of(machine);
  CHECK(node(found, "/dev/sda1").kind == NodeKind::block);
  CHECK(node(found, "/dev/input/event7").kind == NodeKind::input);
}

TEST_CASE("the minor of an NVIDIA GPU comes from the driver, not from the order of cards") {
  FakeMachine machine;
  laptop(machine).file("proc/driver/nvidia/gpus/0000:01:00.0/information",
                       "Model: \t X\nDevice Minor: \t 3\n");
  const RootDir root{machine.root()};
  CHECK(nvidia_minor(root, gpu) == 3u);
  const auto found = nodes_of(machine);
  CHECK(paths(found).contains("/dev/nvidia3"));
  CHECK_FALSE(paths(found).contains("/dev/nvidia0"));
}

TEST_CASE("an unknown minor makes every GPU minor suspect") {
  FakeMachine machine;
  reference_laptop(machine);
  const auto run = node(nodes_of(machine), "/dev/nvidia");
  CHECK(run.is_run());
  CHECK(run.has_number(195, 0));
  CHECK(run.has_number(195, 247));
  CHECK_FALSE(run.has_number(195, 254));
}

TEST_CASE("an unknown minor is none of those that other GPUs are known to have") {
  FakeMachine machine;
  reference_laptop(machine);
  machine.bridge("0000:00:13.0").gpu("0000:04:00.0", {.id = laptop_gpu_id, .driver = "nvidia"});
  machine.file("proc/driver/nvidia/gpus/0000:04:00.0/information", "Device Minor: \t 1\n");
  const auto found = nodes_of(machine);
  const auto suspect = [&](unsigned minor) {
    return std::ranges::any_of(
        found.nodes, [&](const auto& n) { return n.kind == NodeKind::nvidia && n.has_number(195, minor); });
  };
  CHECK(suspect(0));
  CHECK_FALSE(suspect(1));
  CHECK(suspect(2));
  CHECK(node(found, "/dev/nvidia-modeset").shared);
}

TEST_CASE("a sole NVIDIA GPU has the driver's modeset and UVM nodes for itself") {
  FakeMachine machine;
  laptop(machine).file("proc/devices",
                       "Character devices:\n  1 mem\n235 nvidia-uvm\n\nBlock devices:\n8 sd\n");
  const auto found = nodes_of(machine);
  CHECK_FALSE(node(found, "/dev/nvidia-modeset").shared);
  CHECK(node(found, "/dev/nvidia-uvm").has_number(235, 0));
  CHECK_FALSE(node(found, "/dev/nvidia-uvm").shared);
  CHECK(node(found, "/dev/nvidiactl").shared);
}

TEST_CASE("while remove() hangs the NVIDIA nodes still belong to the GPU") {
  FakeMachine machine;
  laptop(machine).begin_unbind("0000:01:00.0");
  CHECK(paths(nodes_of(machine)).contains("/dev/nvidia0"));
}

TEST_CASE("the group node has its number when VFIO tells it, and is found by path when not") {
  FakeMachine machine;
  laptop(machine).bind("0000:01:00.0", "vfio-pci");
  CHECK(paths(nodes_of(machine)).contains("/dev/vfio/15"));
  CHECK(std::ranges::count(nodes_of(machine).nodes, std::string{"/dev/vfio/15"}, &DeviceNode::path) == 1);
  machine.file("sys/class/vfio/15/dev", "511:0\n");
  CHECK(node(nodes_of(machine), "/dev/vfio/15").has_number(511, 0));
}

TEST_CASE("a function that has gone has no nodes and is no error") {
  FakeMachine machine;
  laptop(machine).unplug("0000:01:00.1");
  const auto found = nodes_of(machine, {audio});
  CHECK(found.nodes.empty());
}
