// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/gpu_kind.hpp"

#include <algorithm>
#include <array>

#include "bus/wire.hpp"
#include "gpuctl_names.hpp"
#include "inventory/isolation.hpp"

namespace gpuctl {
namespace {

enum Property : std::size_t {
  address,
  name_,
  vendor,
  state,
  vm,
  iommu_group,
  boot_display,
  functions,
  problems
};
constexpr std::array gpu_properties{ObjectProperty{"Address", "s", true},
                                    ObjectProperty{"Name", "s"},
                                    ObjectProperty{"Vendor", "s"},
                                    ObjectProperty{"State", "s"},
                                    ObjectProperty{"Vm", "s"},
                                    ObjectProperty{"IommuGroup", "o"},
                                    ObjectProperty{"BootDisplay", "b"},
                                    ObjectProperty{"Functions", wire::functions_type},
                                    ObjectProperty{"Problems", wire::problems_type}};

enum Method : std::size_t { attach, release };
constexpr std::array gpu_methods{ObjectMethod{"Attach", "sa{sv}", "o", "vm\0options\0operation\0"},
                                 ObjectMethod{"Release", "a{sv}", "o", "options\0operation\0"}};

PciSlot slot_of(ObjectKind::Id id) {
  return {static_cast<std::uint32_t>(id >> 16U), static_cast<std::uint8_t>(id >> 8U),
          static_cast<std::uint8_t>(id)};
}

std::string group_of(const PciFunction& display) {
  return display.iommu_group ? wire::group_path(*display.iommu_group) : "/";
}

/// Of a GPU that has been attached already.
bool counts_at_vm(const Problem& problem) {
  return problem.id == "gpu-gone" || problem.id == "already-on-vfio";
}

/// With VFIO, but with no VM yet: what would keep one from having it counts too.
void leave_out_done(Problems& found, const Gpu& gpu, bool has_vm, const Snapshot& snapshot) {
  const auto shared = has_vm ? Problems{} : shared_problems(gpu, snapshot);
  std::erase_if(found, [&](const auto& problem) {
    return !counts_at_vm(problem) && std::ranges::find(shared, problem) == shared.end();
  });
}

/// What an operation that is under way makes true and its end makes untrue is no problem of the GPU's.
Problems problems_of(const Gpu& gpu, GpuState now, bool has_vm, const Snapshot& snapshot) {
  auto found = attach_problems(gpu, snapshot);
  if (bound_state(gpu, snapshot) == GpuState::vm) leave_out_done(found, gpu, has_vm, snapshot);
  if (now == GpuState::changing) leave_out_passing(found);
  return found;
}

}  // namespace

const char* GpuKind::prefix() const { return names::gpu_path_prefix; }
const char* GpuKind::interface() const { return names::gpu_interface; }
std::span<const ObjectProperty> GpuKind::properties() const { return gpu_properties; }
std::span<const ObjectMethod> GpuKind::methods() const { return gpu_methods; }

ObjectKind::Id GpuKind::id_of(PciSlot slot) {
  return Id{slot.domain} << 16U | Id{slot.bus} << 8U | Id{slot.device};
}

std::string GpuKind::name(Id id) const {
  return wire::gpu_path(slot_of(id)).substr(std::string_view{names::gpu_path_prefix}.size());
}

std::optional<ObjectKind::Id> GpuKind::id(std::string_view text) const {
  std::string colons{text};
  std::ranges::replace(colons, '_', ':');
  const auto slot = PciSlot::parse(colons);
  return slot && name(id_of(*slot)) == text ? std::optional{id_of(*slot)} : std::nullopt;
}

bool GpuKind::exists(Id id) const { return snapshot_.gpus.contains(slot_of(id)); }

void GpuKind::write(Id id, std::size_t index, ValueSink& sink) const {
  const auto& gpu = snapshot_.gpus.at(slot_of(id));
  const auto& display = *snapshot_.find(gpu.address);
  if (index == address) sink.text(gpu.address.str());
  if (index == name_) sink.text(device_name(display));
  if (index == vendor) sink.text(display.names.vendor);
  if (index == state) sink.text(to_string(answers_.state(gpu)));
  if (index == vm) sink.text(answers_.vm(gpu));
  if (index == iommu_group) sink.path(group_of(display));
  if (index == boot_display) sink.boolean(display.boot_vga);
  if (index == functions) wire::write_functions(gpu.functions, snapshot_, sink);
  if (index == problems)
    wire::write(problems_of(gpu, answers_.state(gpu), !answers_.vm(gpu).empty(), snapshot_), sink);
}

void GpuKind::call(Id id, std::size_t index, sdbus::MethodCall call) {
  const auto gpu = snapshot_.gpus.at(slot_of(id)).address.str();
  if (index == attach) answers_.attach(gpu, call);
  if (index == release) answers_.release(gpu, call);
}

}  // namespace gpuctl
