// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/vm_queries.hpp"

#include <algorithm>

#include "host/apply.hpp"
#include "host/kernel_args.hpp"
#include "inventory/find_gpu.hpp"
#include "operations/assignments.hpp"
#include "operations/auto_rom.hpp"
#include "operations/messages.hpp"
#include "os/log.hpp"
#include "rebind/journal.hpp"
#include "vm/hostdev.hpp"
#include "vm/looking_glass.hpp"

namespace gpuctl {
namespace {

constexpr std::chrono::seconds tmpfiles_deadline{45};

/// By gpuctl-apply, for gpuctld may neither write below /etc nor change what belongs to others.
void install_tmpfiles(const std::optional<std::string>& text, const RootDir& root, const Platform& platform) {
  const auto path = std::string{looking_glass_tmpfiles_path}.substr(1);
  ApplyRequest request;
  if (text) request.tools.push_back({"tmpfiles-looking-glass", {}});
  if (const auto present = read_exactly(root, path); present != text)
    request.edits.push_back({path, present, text});
  apply_by_systemd(root, *platform.systemd_control(tmpfiles_deadline),
                   {platform.state_dir, platform.runtime_dir}, "looking-glass", request);
}

VmServicePlaces places(const RootDir& root, const Platform& platform, const Snapshot& snapshot) {
  return {.state = platform.state_dir,
          .locks = domain_locks(platform),
          .install_tmpfiles =
              [&](const std::optional<std::string>& text) { install_tmpfiles(text, root, platform); },
          .rom_file =
              [&](PciAddress function, bool dry_run) {
                return auto_rom(function, dry_run ? DryRun::yes : DryRun::no, snapshot, platform).string();
              }};
}

/// A service with what it needs, for one call.
struct Session {
  explicit Session(const Platform& platform, Patience patience = Patience::in_all,
                   const Snapshot& snapshot = {})
      : root(platform.root),
        hypervisor(answering_hypervisor(platform, patience)),
        seen(snapshot),
        service(*hypervisor, root, places(root, platform, seen)) {}
  RootDir root;
  std::unique_ptr<Hypervisor> hypervisor;
  Snapshot seen;
  VmService service;
};

using messages::Json;

std::string text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json problem_list(const Problems& problems) {
  auto list = Json::array();
  for (const auto& p : problems) list.push_back(messages::problem(p));
  return list;
}

Json entry(const VmEntry& vm) {
  auto gpus = Json::array();
  for (const auto gpu : vm.gpus) gpus.push_back(gpu.str());
  return {{"name", vm.name},
          {"uuid", vm.uuid},
          {"state", to_string(vm.state)},
          {"gpus", gpus},
          {"problems", problem_list(vm.problems)}};
}

std::optional<PciSlot> only_attachable(const Snapshot& snapshot) try {
  return find_gpu(snapshot, "").slot();
} catch (const Error&) {  // none, or several
  return std::nullopt;
}

/// Nothing uses it, ends, or is to be in force again after it, and no operation is under way.
bool is_over(const Assignment& given, const Platform& platform) {
  StateDir journals(platform.runtime_dir / "journal");
  return !given.lease_only && !given.running && !given.returning && !given.unsettled &&
         given.displaced.empty() && !JournalStore(journals).has(given.gpu);
}

/// Its definition has nothing of them any more, and they cannot be released.
void forget_gpus_that_are_gone(const Vm& vm, const Snapshot& snapshot, const Platform& platform) {
  StateDir dir(platform.state_dir / "assignments");
  Assignments assignments(dir);
  const RootDir root(platform.root);
  const auto own = own_functions(vm.inactive_xml);
  for (const auto& [slot, given] : assignments.all()) {
    const bool defined = std::ranges::any_of(
        given.functions, [&](PciAddress f) { return std::ranges::find(own, f) != own.end(); });
    const bool gone =
        !snapshot.gpus.contains(slot) && std::ranges::none_of(given.functions, [&](PciAddress f) {
          return root.text("sys/bus/pci/devices/" + f.str() + "/class").starts_with("0x03");
        });
    if (given.vm_uuid == vm.uuid && gone && !defined && is_over(given, platform)) assignments.remove(slot);
  }
}

}  // namespace

std::string vm_name(const std::string& name_or_uuid, const Platform& platform) {
  return answering_hypervisor(platform)->vm(name_or_uuid).name;
}

std::string virtual_machines(const Snapshot& snapshot, const Platform& platform) {
  auto list = Json::array();
  for (const auto& vm : Session(platform).service.list(snapshot)) list.push_back(entry(vm));
  return text(list);
}

std::string vm_check(const std::string& vm, const std::optional<Gpu>& gpu, const Snapshot& snapshot,
                     const Platform& platform) {
  return text(problem_list(Session(platform).service.check(vm, snapshot, gpu, only_attachable(snapshot))));
}

std::string looking_glass_check(const std::string& vm, std::uint32_t uid, const Platform& platform) {
  return text(problem_list(Session(platform).service.check_looking_glass(vm, uid)));
}

std::string vm_setup(const std::string& vm, SetupRequest request, std::uint32_t uid, const Snapshot& snapshot,
                     const Platform& platform) {
  request.only_gpu = only_attachable(snapshot);
  Session session(platform, Patience::for_each_answer, snapshot);
  auto diff = session.service.setup(vm, request, snapshot, uid);
  try {
    if (!request.dry_run) forget_gpus_that_are_gone(session.hypervisor->vm(vm), snapshot, platform);
  } catch (const Error& error) {  // the next set-up does it; this one is done
    log(events::warning, error.what());
  }
  return diff;
}

std::string vm_undo(const std::string& vm, bool dry_run, const Snapshot& snapshot, const Platform& platform) {
  return Session(platform, Patience::for_each_answer).service.undo(vm, dry_run, snapshot);
}

}  // namespace gpuctl
