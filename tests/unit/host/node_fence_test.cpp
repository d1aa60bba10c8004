// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/node_fence.hpp"

#include <doctest/doctest.h>

#include <map>

#include "support/machines.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

class FakeNodes : public NodeControl {
 public:
  explicit FakeNodes(std::map<std::string, unsigned> modes) : modes_(std::move(modes)) {}
  std::vector<unsigned> minors(const std::string&) const override { return {0, 7, 250}; }
  std::optional<unsigned> mode(const NodeMode& node) const override {
    const auto found = modes_.find(node.path);
    return found == modes_.end() ? std::nullopt : std::optional{found->second};
  }
  bool change(const NodeMode&, unsigned, unsigned) override { return false; }

 private:
  std::map<std::string, unsigned> modes_;
};

const PciAddress gpu{0, 1, 0, 0};

DeviceNode node(const std::string& path, NodeKind kind, unsigned major, unsigned minor) {
  return {path, kind, gpu, major, minor, minor, false};
}

std::vector<std::string> paths(const NodeModes& nodes) {
  std::vector<std::string> all;
  for (const auto& n : nodes) all.push_back(n.path);
  return all;
}

}  // namespace

TEST_CASE(
    "what keeps a driver is closed: not what other GPUs share, nor a disk behind the card, nor what is "
    "closed") {
  FakeMachine machine;
  reference_laptop(machine);
  GpuNodes nodes{{gpu}, {}, {}};
  nodes.nodes = {node("/dev/dri/card1", NodeKind::drm, 226, 1),
                 node("/dev/nvidia0", NodeKind::nvidia, 195, 0),
                 node("/dev/snd/controlC1", NodeKind::sound, 116, 6), node("/dev/sda", NodeKind::block, 8, 0),
                 node("/dev/nvidiactl", NodeKind::nvidia_shared, 195, 255)};
  const FakeNodes control{{{"/dev/dri/card1", 0660},
                           {"/dev/nvidia0", 0666},
                           {"/dev/snd/controlC1", 0},
                           {"/dev/sda", 0660},
                           {"/dev/nvidiactl", 0666}}};
  CHECK(paths(closable_nodes(RootDir{machine.root()}, control, nodes)) ==
        std::vector<std::string>{"/dev/dri/card1", "/dev/nvidia0"});
}

TEST_CASE(
    "a minor that the NVIDIA driver does not tell: with one GPU its node is found, with two none is "
    "touched") {
  FakeMachine machine;
  reference_laptop(machine);
  GpuNodes nodes{{gpu}, {{"/dev/nvidia", NodeKind::nvidia, gpu, 195, 0, 247, false}}, {}};
  const FakeNodes control{{{"/dev/nvidia0", 0666}, {"/dev/nvidia250", 0666}}};  // the latter is no GPU's
  const RootDir root{machine.root()};
  CHECK(closable_nodes(root, control, nodes) == NodeModes{{"/dev/nvidia0", 195, 0, 0666}});
  machine.gpu("0000:04:00.0", {.id = laptop_gpu_id, .driver = "nvidia"});
  CHECK(closable_nodes(root, control, nodes).empty());
}
