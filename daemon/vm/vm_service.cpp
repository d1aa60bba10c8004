// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_service.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/error.hpp"
#include "vm/domain_lock.hpp"
#include "vm/domain_xml.hpp"
#include "vm/hostdev.hpp"
#include "vm/unified_diff.hpp"
#include "vm/vm_fitness.hpp"
#include "vm/vm_host.hpp"
#include "vm/vm_problems.hpp"

namespace gpuctl {
namespace {

constexpr unsigned long acpi_table_version = 11002000;  // <table type='raw'> came with libvirt 11.2.0

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

void require_rom_path(const std::string& path) {
  const bool control = std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (!path.empty() && (!path.starts_with('/') || control || path.size() > 4096))
    throw Error(ErrorCode::invalid_argument, "The path of the option ROM must be absolute.");
}

std::vector<PciAddress> gpu_functions(const Vm& vm, const Snapshot& snapshot) {
  auto functions = claimed_functions(vm.inactive_xml);
  std::erase_if(functions, [&](PciAddress a) { return snapshot.gpu_of(a) == nullptr; });
  return functions;
}

/// Those in the definition, or the named one.
std::vector<PciAddress> rom_functions(const Vm& vm, const SetupRequest& request, const Snapshot& snapshot) {
  std::set<PciAddress> displays;
  for (const auto function : claimed_functions(vm.inactive_xml))
    if (const auto* gpu = snapshot.gpu_of(function)) displays.insert(gpu->address);
  if (request.gpu) {
    const auto named = snapshot.gpus.find(*request.gpu);
    if (named != snapshot.gpus.end()) displays = {named->second.address};
  } else if (displays.empty() && request.only_gpu && snapshot.gpus.contains(*request.only_gpu)) {
    displays.insert(snapshot.gpus.at(*request.only_gpu).address);
  }
  if (displays.size() == 1) return {displays.begin(), displays.end()};
  throw Error(ErrorCode::invalid_argument,
              fmt::format("Which GPU the option ROM is for is not clear: {} has {} GPUs; name one.", vm.name,
                          displays.size()));
}

/// Anybody may ask for a dry run: passwords of screens, which only root's connection is told, stay out of it.
std::string without_passwords(const std::string& xml) {
  const auto document = parse_domain(xml);
  for (const auto graphics : document.document_element().child("devices").children("graphics"))
    if (graphics.attribute("passwd")) set_attribute(graphics, "passwd", "(hidden)");
  return to_text(document);
}

std::string public_diff(const std::string& before, const std::string& after, const std::string& name) {
  return before == after ? std::string{}
                         : unified_diff(without_passwords(before), without_passwords(after), name);
}

/// libvirt's refusal, with what to do about the one that a fresh Debian gives.
Error explained(const Error& error) {
  const std::string sentence{error.what()};
  if (sentence.find("spice graphics are not supported") == std::string::npos) return error;
  return {error.code(),
          sentence + " Install qemu-system-modules-spice (Debian, Ubuntu) or qemu-ui-spice-core (Fedora)."};
}

std::vector<PciAddress> stale_functions(const std::string& xml, const Snapshot& snapshot) {
  auto functions = own_functions(xml);
  std::erase_if(functions, [&](PciAddress a) { return snapshot.gpu_of(a) != nullptr; });
  return functions;
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
      throw Error(ErrorCode::invalid_argument, fmt::format("There is no option {}.", key));
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
      entry.functions = gpu_functions(vm, snapshot);
      if (!claimed_functions(vm.inactive_xml).empty()) entry.problems = vm_fitness_here(vm, root_, snapshot);
    } catch (const Error& error) {
      entry.problems = {
          {"vm-unreadable", Severity::warning, vm.name, error.what(), "look with 'virsh edit'"}};
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

Problems VmService::check(const std::string& name, const Snapshot& snapshot, const std::vector<Gpu>& gpus) {
  const auto vm = hypervisor_.vm(name);
  auto found = vm_fitness_here(vm, root_, snapshot, gpus);
  auto functions = gpu_functions(vm, snapshot);
  for (const auto& gpu : gpus) functions.insert(functions.end(), gpu.functions.begin(), gpu.functions.end());
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

SetupChanges VmService::changes_for(const Vm& vm, const SetupRequest& request, const Snapshot& snapshot) {
  SetupChanges changes{request.picture,
                       request.transport,
                       request.rom,
                       {},
                       request.battery,
                       places_.battery_table,
                       hypervisor_.version() >= acpi_table_version,
                       stale_functions(vm.inactive_xml, snapshot)};
  if (!request.rom) return changes;
  changes.rom_functions = rom_functions(vm, request, snapshot);
  changes.rom = rom_path(request, changes.rom_functions.front());
  return changes;
}

std::string VmService::rom_path(const SetupRequest& request, PciAddress function) const {
  if (*request.rom == "auto") return places_.rom_file(function, request.dry_run);
  require_rom_path(*request.rom);
  // Anybody may ask for a dry run; whether a file is there is not for anybody to know.
  if (request.dry_run) return *request.rom;
  if (!request.rom->empty() && host_file(root_, *request.rom).kind != HostFile::Kind::regular)
    throw Error(ErrorCode::invalid_argument, fmt::format("There is no option ROM at {}.", *request.rom));
  return *request.rom;
}

/// Read once more: until here others could change it.
std::string VmService::apply(const Vm& seen, const SetupChanges& changes) {
  const DomainLock lock{places_.locks, seen};
  const auto vm = hypervisor_.vm(seen.uuid);
  const auto xml = setup_domain(vm.inactive_xml, changes);
  if (xml != vm.inactive_xml) define(vm, xml, changes);
  return public_diff(vm.inactive_xml, xml, vm.name);
}

void VmService::define(const Vm& vm, const std::string& xml, const SetupChanges& changes) {
  undo_.push(vm.uuid, vm.inactive_xml);
  try {
    hypervisor_.define(xml);
  } catch (const Error& error) {
    undo_.pop(vm.uuid);
    throw explained(error);
  }
  const auto now = hypervisor_.vm(vm.uuid).inactive_xml;
  if (setup_domain(now, changes) != now)
    throw Error(ErrorCode::kernel_refused,
                fmt::format("libvirt took the definition of {} but left part of the change out.", vm.name));
}

/// A host whose /etc cannot be written still gets its definition: what to do there is added to the answer,
/// and check_looking_glass() tells it too.
std::string VmService::with_tmpfiles(std::string diff, unsigned uid, bool dry_run) const {
  const auto wanted = looking_glass_tmpfiles(uid);
  auto present = root_.read(std::string{looking_glass_tmpfiles_path}.substr(1)).value_or("");
  if (!present.empty()) present += '\n';  // reading leaves the last one out
  if (present != wanted) diff += unified_diff(present, wanted, looking_glass_tmpfiles_path);
  if (dry_run || !places_.install_tmpfiles) return diff;
  try {
    places_.install_tmpfiles(wanted);
  } catch (const Error& error) {
    diff += fmt::format("# {} could not be written ({}); put this line there by hand: {}",
                        looking_glass_tmpfiles_path, error.what(), wanted);
  }
  return diff;
}

std::string VmService::setup(const std::string& name, const SetupRequest& request, const Snapshot& snapshot,
                             unsigned uid) {
  const auto vm = hypervisor_.vm(name);
  if (!vm.persistent)
    throw Error(ErrorCode::not_supported,
                fmt::format("{} is transient: it has no definition to change.", vm.name));
  const auto changes = changes_for(vm, request, snapshot);
  auto diff = request.dry_run ? public_diff(vm.inactive_xml, setup_domain(vm.inactive_xml, changes), vm.name)
                              : apply(vm, changes);
  const bool shared_file = request.picture && request.transport == PictureTransport::shmem;
  return shared_file ? with_tmpfiles(std::move(diff), uid, request.dry_run) : diff;
}

std::string VmService::undo(const std::string& name, bool dry_run, const Snapshot& snapshot) {
  const auto seen = hypervisor_.vm(name);
  std::optional<DomainLock> lock;
  if (!dry_run) lock.emplace(places_.locks, seen);
  const auto vm = hypervisor_.vm(seen.uuid);
  const auto before = undo_.top(vm.uuid);
  if (!before)
    throw Error(
        ErrorCode::not_found,
        fmt::format("{} has no set-up that could be undone.\ngpuctl vm setup keeps a copy each time it "
                    "changes a definition.",
                    vm.name));
  const auto xml = with_hostdevs_of(*before, vm.inactive_xml, stale_functions(*before, snapshot));
  auto diff = public_diff(vm.inactive_xml, xml, vm.name);
  if (dry_run) return diff;
  hypervisor_.define(xml);
  undo_.pop(vm.uuid);
  return diff;
}

}  // namespace gpuctl
