// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_service.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.hpp"
#include "vm/domain_demand.hpp"
#include "vm/hostdev.hpp"
#include "vm/vm_fitness.hpp"
#include "vm/vm_problems.hpp"

namespace gpuctl {
namespace {

constexpr auto setup_options = "interactive, gpu, dry-run, looking-glass, transport, rom, battery";

template <class T>
T option(const Options::value_type& entry) {
  if (const auto* value = std::get_if<T>(&entry.second)) return *value;
  throw Error(ErrorCode::invalid_argument, fmt::format("The option {} is of the wrong type.", entry.first));
}

GuestPicture picture_option(const Options::value_type& entry) {
  const auto text = option<std::string>(entry);
  if (const auto picture = GuestPicture::parse(text)) return *picture;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("'{}' is no picture size; write 2560x1440 or 2560x1440@hdr.", text));
}

PictureTransport transport_option(const Options::value_type& entry) {
  const auto text = option<std::string>(entry);
  if (text == "shmem") return PictureTransport::shmem;
  if (text == "kvmfr") return PictureTransport::kvmfr;
  throw Error(ErrorCode::invalid_argument, fmt::format("The transport is shmem or kvmfr, not '{}'.", text));
}

std::vector<PciAddress> gpu_functions(const Vm& vm, const Snapshot& snapshot) {
  auto functions = claimed_functions(vm.inactive_xml);
  const auto gpus = claimed_gpus(functions, snapshot);
  std::erase_if(functions, [&](PciAddress a) {
    const auto* gpu = snapshot.gpu_of(a);
    return gpu == nullptr || !gpus.contains(gpu->slot());
  });
  return functions;
}

std::vector<PciAddress> display_functions(const Vm& vm, const Snapshot& snapshot) {
  std::vector<PciAddress> displays;
  for (const auto slot : claimed_gpus(claimed_functions(vm.inactive_xml), snapshot))
    displays.push_back(snapshot.gpus.at(slot).address);
  return displays;
}

}  // namespace

SetupRequest parse_setup_options(const Options& options) {
  SetupRequest request;
  for (const auto& entry : options) {
    const auto& key = entry.first;
    if (key == "dry-run")
      request.dry_run = option<bool>(entry);
    else if (key == "looking-glass")
      request.picture = picture_option(entry);
    else if (key == "transport")
      request.transport = transport_option(entry);
    else if (key == "rom")
      request.rom = option<std::string>(entry);
    else if (key == "battery")
      request.battery = option<bool>(entry);
    else if (key != "interactive" && key != "gpu")
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("unknown option {}; known here: {}", key, setup_options));
  }
  return request;
}

VmService::VmService(Hypervisor& hypervisor, const RootDir& root, VmServicePlaces places)
    : hypervisor_(hypervisor), root_(root), places_(std::move(places)), undo_(places_.state / "vm-undo") {
  if (places_.battery_table.empty()) places_.battery_table = GPUCTL_BATTERY_TABLE;
}

std::vector<VmEntry> VmService::list(const Snapshot& snapshot) {
  std::vector<VmEntry> entries;
  for (const auto& vm : hypervisor_.vms()) {
    VmEntry entry{vm.name, vm.uuid, vm.state, {}, {}};
    try {
      entry.gpus = display_functions(vm, snapshot);
      if (!claimed_functions(vm.inactive_xml).empty()) entry.problems = vm_fitness_here(vm, root_, snapshot);
    } catch (const Error& error) {
      entry.problems = {
          {"vm-unreadable", Severity::warning, vm.name, error.what(), "look with 'sudo virsh edit'"}};
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

Problems VmService::check(const std::string& name, const Snapshot& snapshot, const std::optional<Gpu>& gpu,
                          const std::optional<PciSlot>& otherwise) {
  const auto vm = hypervisor_.vm(name);
  auto functions = gpu_functions(vm, snapshot);
  std::vector<Gpu> gpus;
  if (gpu)
    gpus.push_back(*gpu);
  else if (functions.empty() && otherwise)
    gpus.push_back(snapshot.gpus.at(*otherwise));
  auto found = vm_fitness_here(vm, root_, snapshot, gpus);
  for (const auto& one : gpus) functions.insert(functions.end(), one.functions.begin(), one.functions.end());
  for (auto& problem : claim_problems(functions, hypervisor_.vms(), vm.uuid))
    found.push_back(std::move(problem));
  return found;
}

/// A definition that cannot be read is left out here: list() tells about it.
std::vector<Vm> VmService::with_looking_glass() const {
  auto vms = hypervisor_.vms();
  std::erase_if(vms, [](const Vm& vm) {
    try {
      return !has_looking_glass(domain_facts(vm.inactive_xml));
    } catch (const Error&) {
      return true;
    }
  });
  return vms;
}

Problems VmService::check_looking_glass(const std::string& name, unsigned uid) {
  const auto host = read_looking_glass_host(root_, uid);
  const auto vms = name.empty() ? with_looking_glass() : std::vector{hypervisor_.vm(name)};
  if (vms.empty()) return looking_glass_host_problems(host, uid);
  Problems found;
  for (const auto& vm : vms)
    for (const auto& problem : looking_glass_problems(vm.name, domain_facts(vm.inactive_xml), host, uid))
      if (std::ranges::find(found, problem) == found.end()) found.push_back(problem);
  return found;
}

}  // namespace gpuctl
