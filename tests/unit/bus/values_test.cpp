// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include "bus/fingerprint.hpp"
#include "bus/gpu_kind.hpp"
#include "bus/group_kind.hpp"
#include "bus/wire.hpp"

using namespace gpuctl;

namespace {

/// What is written, to be read: "[(0000:01:00.0 0300 ...)]".
class Shown : public ValueSink {
 public:
  void text(std::string_view text) override { shown += "'" + std::string{text} + "' "; }
  void path(const std::string& path) override { shown += path + " "; }
  void boolean(bool value) override { shown += value ? "true " : "false "; }
  void number(std::uint32_t value) override { shown += std::to_string(value) + " "; }
  void open(char kind, const char* contents) override { shown += std::string{kind} + "<" + contents + " "; }
  void close() override { shown += "> "; }
  std::string shown;
};

constexpr PciAddress gpu_address{0, 1, 0, 0}, audio_address{0, 1, 0, 1};

Snapshot laptop() {
  Snapshot s;
  auto& gpu = s.functions[gpu_address];
  gpu.address = gpu_address;
  gpu.id = {0x10de, 0x25a0, 0x1043, 0x1ccc, 0x030000};
  gpu.revision = 0xa1;
  gpu.names = {"NVIDIA", "GA107M", "ASUSTeK", "", "VGA"};
  gpu.driver = "nvidia";
  gpu.modules = {"nouveau", "nvidia"};
  gpu.reset_methods = {"flr"};
  gpu.iommu_group = 15;
  auto& audio = s.functions[audio_address];
  audio.address = audio_address;
  audio.iommu_group = 15;
  s.gpus[gpu_address.slot()] = {gpu_address, {gpu_address, audio_address}};
  s.groups[15] = {15, "DMA-FQ", "", {gpu_address, audio_address}, {}};
  s.host.iommu = "intel";
  return s;
}

std::string shown(const ObjectKind& kind, ObjectKind::Id id, std::string_view property) {
  Shown sink;
  for (std::size_t i = 0; i < kind.properties().size(); ++i)
    if (kind.properties()[i].name == property) kind.write(id, i, sink);
  return sink.shown;
}

template <class Write>
std::uint64_t fingerprint(Write write) {
  Fingerprint sink;
  write(sink);
  return sink.value();
}

}  // namespace

TEST_CASE("a function is written as its signature says") {
  const auto snapshot = laptop();
  Shown sink;
  wire::write_functions({gpu_address, {0, 9, 9, 0}}, snapshot, sink);
  CHECK(sink.shown ==
        "a<(sssssasssasssss) r<sssssasssasssss '0000:01:00.0' '0300' '10de:25a0' '1043:1ccc' 'nvidia' "
        "a<s 'nouveau' 'nvidia' > '' '' a<s 'flr' > 'NVIDIA GA107M' 'a1' 'VGA' 'ASUSTeK Device' > > ");
}

TEST_CASE("problems are dictionaries of texts") {
  Shown sink;
  wire::write(Problems{{"iommu-off", Severity::blocker, "iommu", "No IOMMU.", "Switch it on."}}, sink);
  CHECK(sink.shown.starts_with(
      "a<a{sv} a<{sv} e<sv 'id' v<s 'iommu-off' > > e<sv 'severity' v<s 'blocker' > > "));
}

TEST_CASE("a GPU shows its card, and what operations and VMs know of it") {
  auto snapshot = laptop();
  const GpuKind kind(
      snapshot, {[](const Gpu&) { return GpuState::changing; }, [](const Gpu&) { return "win11"; }, {}, {}});
  const auto id = GpuKind::id_of(gpu_address.slot());
  CHECK(kind.exists(id));
  CHECK(kind.name(id) == "0000_01_00");
  CHECK(shown(kind, id, "Address") == "'0000:01:00.0' ");
  CHECK(shown(kind, id, "Name") == "'GA107M' ");
  CHECK(shown(kind, id, "State") == "'changing' ");
  CHECK(shown(kind, id, "Vm") == "'win11' ");
  CHECK(shown(kind, id, "IommuGroup") == "/org/gpuctl1/groups/15 ");
  snapshot.gpus.clear();
  CHECK_FALSE(kind.exists(id));
}

TEST_CASE("an object has one path and no other") {
  const auto snapshot = laptop();
  const GpuKind gpus(snapshot, {});
  CHECK(gpus.id("0000_01_00") == GpuKind::id_of({0, 1, 0}));
  CHECK(gpus.name(GpuKind::id_of({0x10000, 0xe1, 0x1f})) == "10000_e1_1f");
  CHECK(gpus.id("10000_e1_1f") == GpuKind::id_of({0x10000, 0xe1, 0x1f}));
  for (const auto* text : {"01_00", "0000:01:00", "0000_01_0A", "00000_01_00", "", "0000_01_00_"})
    CHECK_FALSE(gpus.id(text));
  const GroupKind groups(snapshot);
  CHECK(groups.id("15") == ObjectKind::Id{15});
  for (const auto* text : {"015", "+15", "", "15x", "99999999999"}) CHECK_FALSE(groups.id(text));
}

TEST_CASE("a group is isolated by what is in it") {
  auto snapshot = laptop();
  const GroupKind kind(snapshot);
  CHECK(shown(kind, 15, "Isolated") == "true ");
  CHECK(shown(kind, 15, "Number") == "15 ");
  snapshot.functions[{0, 2, 0, 0}].driver = "e1000e";
  snapshot.functions[{0, 2, 0, 0}].address = {0, 2, 0, 0};
  snapshot.groups[15].functions.push_back({0, 2, 0, 0});
  CHECK(shown(kind, 15, "Isolated") == "false ");
}

TEST_CASE("a fingerprint changes with each value, its order and its place") {
  const auto of = [](std::initializer_list<const char*> texts) {
    return fingerprint([&](ValueSink& sink) {
      for (const auto* text : texts) sink.text(text);
    });
  };
  CHECK(of({"a", "b"}) == of({"a", "b"}));
  CHECK(of({"a", "b"}) != of({"b", "a"}));
  CHECK(of({"ab"}) != of({"a", "b"}));
  CHECK(of({}) != of({""}));
  CHECK(fingerprint([](ValueSink& sink) { sink.boolean(true); }) !=
        fingerprint([](ValueSink& sink) { sink.boolean(false); }));
}
