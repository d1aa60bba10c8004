// SPDX-License-Identifier: GPL-2.0-or-later
// Set-ups and what takes them back; the rest of VmService is in vm_service.cpp.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/shell_word.hpp"
#include "vm/domain_demand.hpp"
#include "vm/domain_lock.hpp"
#include "vm/domain_xml.hpp"
#include "vm/hostdev.hpp"
#include "vm/looking_glass_entry.hpp"
#include "vm/unified_diff.hpp"
#include "vm/vm_host.hpp"
#include "vm/vm_revert.hpp"
#include "vm/vm_service.hpp"

namespace gpuctl {
namespace {

constexpr unsigned long acpi_table_version = 11002000;  // <table type='raw'> came with libvirt 11.2.0

void require_rom_path(const std::string& path) {
  const bool control = std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (!path.empty() && (!path.starts_with('/') || control || path.size() > 4096))
    throw Error(ErrorCode::invalid_argument, "The path of the option ROM must be absolute.");
}

/// Those in the definition, or the named one.
std::vector<PciAddress> rom_functions(const Vm& vm, const SetupRequest& request, const Snapshot& snapshot) {
  std::set<PciAddress> displays;
  for (const auto slot : claimed_gpus(claimed_functions(vm.inactive_xml), snapshot))
    displays.insert(snapshot.gpus.at(slot).address);
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

std::string public_diff(const FileChange& file) {
  const auto before = file.before.value_or(""), after = file.after.value_or("");
  return before == after ? std::string{} : unified_diff(before, after, looking_glass_tmpfiles_path);
}

std::optional<std::string> tmpfiles_text(const RootDir& root) {
  auto text = root.read(std::string{looking_glass_tmpfiles_path}.substr(1));
  if (text && !text->empty()) *text += '\n';  // reading leaves the last one out
  return text;
}

Error nothing_to_undo(const Vm& vm) {
  return {ErrorCode::not_found,
          fmt::format(
              "{} has no set-up that could be undone.\ngpuctl vm setup keeps a copy each time it changes a "
              "definition.",
              vm.name)};
}

/// The copy is of the whole definition: going back to it would take along what others have changed since.
void require_unchanged(const UndoCopy& copy, const Vm& vm) {
  if (!copy.made || same_set_up(*copy.made, vm.inactive_xml)) return;
  throw Error(ErrorCode::blocked,
              fmt::format("vm-changed-since: The definition of {} has been changed since that set-up; "
                          "undoing it would take these "
                          "changes away.\nTake what is not wanted out by hand: sudo virsh edit {}",
                          vm.name, shell_word(vm.name)));
}

}  // namespace

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

/// Where root is asked, an entry in any file of tmpfiles.d is left to whoever wrote it.
std::optional<FileChange> VmService::tmpfiles_change(const SetupRequest& request, unsigned uid) const {
  if (!request.picture || request.transport != PictureTransport::shmem) return std::nullopt;
  auto present = tmpfiles_text(root_);
  const auto text = present.value_or("");
  if (uid == 0 && looking_glass_entry(text).empty() && read_looking_glass_host(root_, uid).tmpfiles)
    return std::nullopt;
  return FileChange{std::move(present), with_looking_glass_entry(text, uid)};
}

/// Read once more: until here others could change it.
std::string VmService::apply(const Vm& seen, const SetupChanges& changes,
                             const std::optional<FileChange>& tmpfiles) {
  const DomainLock lock{places_.locks, seen};
  const auto vm = hypervisor_.vm(seen.uuid);
  const auto xml = setup_domain(vm.inactive_xml, changes);
  if (xml != vm.inactive_xml) define({vm.inactive_xml, tmpfiles, {}}, vm, xml, changes);
  return public_diff(vm.inactive_xml, xml, vm.name);
}

void VmService::define(const UndoCopy& copy, const Vm& vm, const std::string& xml,
                       const SetupChanges& changes) {
  undo_.push(vm.uuid, copy);
  try {
    hypervisor_.define(xml);
  } catch (const Error& error) {
    undo_.pop(vm.uuid);
    throw explained(error);
  }
  const auto now = hypervisor_.vm(vm.uuid).inactive_xml;
  note_made(vm.uuid, now);
  if (setup_domain(now, changes) != now)
    throw Error(ErrorCode::kernel_refused,
                fmt::format("libvirt took the definition of {} but left part of the change out.", vm.name));
}

/// A copy that does not tell it is one all the same.
void VmService::note_made(const std::string& uuid, const std::string& xml) try {
  undo_.note_made(uuid, xml);
} catch (const Error&) {
}

/// A host whose /etc cannot be written still gets its definition: what to do there is the answer, empty if it
/// could be written; check_looking_glass() tells it too.
std::string VmService::install(const FileChange& tmpfiles) const try {
  if (places_.install_tmpfiles) places_.install_tmpfiles(tmpfiles.after);
  return {};
} catch (const Error& error) {
  const auto entry = looking_glass_entry(tmpfiles.after.value_or(""));
  return fmt::format("# {} could not be written ({}); {}: {}\n", looking_glass_tmpfiles_path, error.what(),
                     entry.empty() ? "take out by hand what makes" : "put this line there by hand",
                     entry.empty() ? looking_glass_file : entry);
}

/// The definition was as it should be already: there is no copy yet.
void VmService::keep_copy(const Vm& seen, const FileChange& tmpfiles) {
  const DomainLock lock{places_.locks, seen};
  const auto xml = hypervisor_.vm(seen.uuid).inactive_xml;
  undo_.push(seen.uuid, {xml, tmpfiles, xml});
}

std::string VmService::setup(const std::string& name, const SetupRequest& request, const Snapshot& snapshot,
                             unsigned uid) {
  const auto vm = hypervisor_.vm(name);
  if (!vm.persistent)
    throw Error(ErrorCode::not_supported,
                fmt::format("{} is transient: it has no definition to change.", vm.name));
  const auto changes = changes_for(vm, request, snapshot);
  const auto tmpfiles = tmpfiles_change(request, uid);
  const auto file_diff = tmpfiles ? public_diff(*tmpfiles) : "";
  if (request.dry_run)
    return public_diff(vm.inactive_xml, setup_domain(vm.inactive_xml, changes), vm.name) + file_diff;
  const auto diff = apply(vm, changes, file_diff.empty() ? std::nullopt : tmpfiles);
  const auto by_hand = tmpfiles ? install(*tmpfiles) : "";
  if (diff.empty() && !file_diff.empty() && by_hand.empty()) keep_copy(vm, *tmpfiles);
  return diff + file_diff + by_hand;
}

/// Not what somebody has changed since, and not the only line that another VM's memory has.
std::optional<FileChange> VmService::tmpfiles_return(const Vm& vm, const UndoCopy& copy) const {
  if (!copy.tmpfiles || tmpfiles_text(root_) != copy.tmpfiles->after) return std::nullopt;
  const bool needed =
      std::ranges::any_of(with_looking_glass(), [&](const Vm& v) { return v.uuid != vm.uuid; });
  if (needed && looking_glass_entry(copy.tmpfiles->before.value_or("")).empty()) return std::nullopt;
  return FileChange{copy.tmpfiles->after, copy.tmpfiles->before};
}

/// How many copies on top undo nothing: of the file alone, which somebody has changed since.
std::size_t VmService::spent_copies(const Vm& vm) const {
  std::size_t number = 0;
  for (auto copy = undo_.top(vm.uuid); copy; copy = undo_.top(vm.uuid, ++number))
    if (copy->made != copy->xml || tmpfiles_return(vm, *copy)) break;
  return number;
}

std::string VmService::undo(const std::string& name, bool dry_run, const Snapshot& snapshot) {
  const auto seen = hypervisor_.vm(name);
  std::optional<DomainLock> lock;
  if (!dry_run) lock.emplace(places_.locks, seen);
  const auto vm = hypervisor_.vm(seen.uuid);
  const auto spent = spent_copies(vm);
  const auto copy = undo_.top(vm.uuid, spent);
  if (!copy) throw nothing_to_undo(vm);
  require_unchanged(*copy, vm);
  const auto before = with_name_of(copy->xml, vm.inactive_xml);
  const auto xml = with_hostdevs_of(before, vm.inactive_xml, stale_functions(before, snapshot));
  const auto tmpfiles = tmpfiles_return(vm, *copy);
  const auto diff = public_diff(vm.inactive_xml, xml, vm.name) + (tmpfiles ? public_diff(*tmpfiles) : "");
  if (dry_run) return diff;
  hypervisor_.define(xml);
  for (std::size_t i = 0; i <= spent; ++i) undo_.pop(vm.uuid);
  lock.reset();
  return diff + (tmpfiles ? install(*tmpfiles) : "");
}

}  // namespace gpuctl
