// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/survey.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/device_users.hpp"
#include "host/mediated_devices.hpp"
#include "host/node_fence.hpp"
#include "inventory/card_problems.hpp"
#include "inventory/isolation.hpp"
#include "inventory/module_aliases.hpp"
#include "operations/assignments.hpp"
#include "operations/home_binding.hpp"
#include "operations/service_units.hpp"
#include "operations/survey_problems.hpp"
#include "operations/vm_part.hpp"
#include "rebind/live_state.hpp"
#include "rebind/plan.hpp"
#include "vm/domain_demand.hpp"
#include "vm/hostdev.hpp"
#include "vm/vm_fitness.hpp"

namespace gpuctl {
namespace {

/// One request on the way to its plan.
struct Work {
  const Request& request;
  const Snapshot& snapshot;
  const Platform& platform;
  const Gpu& gpu;
  RootDir root;
  Drivers drivers;
  std::optional<Assignment> assignment;
  Prepared result{};
};

const Gpu& gpu_of(const Request& request, const Snapshot& snapshot) {
  const auto address = PciAddress::parse(request.gpu);
  const auto* gpu = address ? snapshot.gpu_of(*address) : nullptr;
  if (gpu == nullptr) throw Error(ErrorCode::not_found, fmt::format("no GPU at {}", request.gpu));
  return *gpu;
}

Work make_work(const Request& request, const Snapshot& snapshot, const Platform& platform) {
  const auto& gpu = gpu_of(request, snapshot);
  RootDir root(platform.root);
  auto drivers = registered_drivers(root);
  StateDir dir(platform.state_dir / "assignments");
  return {request,
          snapshot,
          platform,
          gpu,
          std::move(root),
          std::move(drivers),
          Assignments(dir).find(gpu.slot())};
}

bool on_vm_side(const Gpu& gpu, const Snapshot& snapshot) {
  return bound_state(gpu, snapshot) == GpuState::vm;
}

Force force(const Work& work) { return work.request.force ? Force::yes : Force::no; }

std::string driver_of(const Work& work) {
  const auto* display = work.snapshot.find(work.gpu.address);
  return display == nullptr ? "" : display->driver;
}

/// Who holds the GPU, who of them can be asked to let go, and what is left in the way then.
void plan_quiescing(Work& work, AttachTarget& target) {
  const auto nodes = device_nodes(work.root, work.gpu.functions);
  const auto users = device_users(work.root, nodes);
  auto& plan = work.result.quiesce;
  const auto facts = quiesce_facts(work.root, nodes, users);
  plan = quiesce_plan(users, facts, quiesce_policy(work.platform.config));
  const auto units = service_units(work.gpu, driver_of(work), plan.units, work.root, work.platform);
  target.stop_units = units.stop;
  target.start_units = units.start;
  target.drm_cards = plan.drm_cards;
  target.unload_modules = plan.modules;
  target.nodes = closable_nodes(work.root, DevNodeControl(work.root), nodes);
  append(work.result.survey.problems, mediated_device_problems(work.root, work.gpu.functions));
  append(work.result.survey.problems, user_problems(after(plan, users), force(work)));
}

void take_vm_part(Work& work, VmPart part, Plan& plan) {
  work.result.survey.vm_name = part.name;
  work.result.survey.vm_uuid = part.uuid;
  append(work.result.survey.problems, std::move(part.problems));
  plan = std::move(part.plan);
}

/// An attach does not make a VM start; what would keep it from starting is no reason to refuse the attach.
void add_fitness(Work& work, const Vm& target) {
  auto& problems = work.result.survey.problems;
  for (auto& found : vm_fitness_here(target, work.root, work.snapshot, {work.gpu})) {
    const bool known = std::ranges::any_of(
        problems, [&](const auto& p) { return p.id == found.id && p.message == found.message; });
    if (found.severity == Severity::blocker) found.severity = Severity::warning;
    if (!known) problems.push_back(std::move(found));
  }
}

/// What libvirt says: the VM that is to get the GPU, and all there are.
struct Vms {
  Vm target;
  std::optional<std::vector<Vm>> told;  ///< nothing: libvirt has not told of the others
  std::vector<Vm> all() const { return told.value_or(std::vector{target}); }
  bool may_have(const std::string& uuid) const {
    return !told || std::ranges::count(*told, uuid, &Vm::uuid) != 0;
  }
};

/// A VM that starts keeps libvirt from listing any, for as long as its hooks run; that is nothing to another.
std::optional<std::vector<Vm>> others(Hypervisor& hypervisor, Work& work) try {
  return hypervisor.vms();
} catch (const Error& error) {
  if (error.code() != ErrorCode::libvirt_unavailable) throw;
  work.result.survey.problems.push_back(vms_not_told(work.gpu));
  return std::nullopt;
}

std::optional<Vms> ask_vms(Work& work) {
  if (work.request.vm.empty()) return std::nullopt;
  const auto hypervisor = answering_hypervisor(work.platform);
  auto target = hypervisor->vm(work.request.vm);
  return Vms{std::move(target), others(*hypervisor, work)};
}

void plan_vm_for_attach(Work& work, const Vms& vms, Plan& plan) {
  take_vm_part(work, attach_vm_part(work.request, work.gpu, work.snapshot, vms.target, vms.all()), plan);
  add_fitness(work, vms.target);
  const auto& before = work.assignment;
  if (before && before->vm_uuid != vms.target.uuid && vms.may_have(before->vm_uuid))
    work.result.survey.problems.push_back(assigned_elsewhere(*work.assignment));
}

/// What the VM has besides: when it starts, or now, if it is to get the GPU while it runs.
std::set<PciAddress> along_with(const Work& work, const std::optional<Vms>& vms) {
  if (!vms) return work.request.along;
  const auto& vm = vms->target;
  if (!work.request.live || vm.live_xml.empty()) return going_along(vm.inactive_xml, work.snapshot);
  const auto plugged = claimed_functions(vm.live_xml);
  return {plugged.begin(), plugged.end()};
}

/// QEMU opens the group, also of a GPU that has been with VFIO for long.
Problems device_problems(const Work& work, const std::optional<Vms>& vms, bool moves) {
  const auto along = along_with(work, vms);
  if (moves) return attach_problems(work.gpu, work.snapshot, along);
  if (!vms || has_gpu(vms->target, work.gpu)) return {};
  return shared_problems(work.gpu, work.snapshot, along);
}

std::map<PciAddress, std::string> vfio_drivers(const Work& work) {
  ModuleAliases aliases(work.platform.modules_dir);
  std::map<PciAddress, std::string> result;
  for (const auto address : work.gpu.functions)
    if (const auto* function = work.snapshot.find(address))
      result[address] = vfio_driver_for(function->id, work.root, aliases).driver;
  return result;
}

HomeFacts facts_of(const Work& work) {
  return {work.gpu, work.snapshot, work.root, work.drivers, work.platform};
}

/// Where release will bring it.
Binding home_of_attach(const Work& work, const AttachTarget& target) {
  auto home = home_before_attach(facts_of(work));
  add_missing(home.stopped_units, target.stop_units);
  add_missing(home.unloaded_modules, target.unload_modules);
  home.vm = work.result.survey.vm_uuid;
  return home;
}

void prepare_attach(Work& work) {
  auto& problems = work.result.survey.problems;
  AttachTarget target;
  const auto vms = ask_vms(work);
  const bool moves = !on_vm_side(work.gpu, work.snapshot);
  if (moves) target.vfio_drivers = vfio_drivers(work);
  append(problems, device_problems(work, vms, moves));
  if (vms) plan_vm_for_attach(work, *vms, target.last);
  if (moves) plan_quiescing(work, target);
  work.result.survey.plan = attach_plan(work.gpu, work.snapshot, work.drivers, target);
  auto home = home_of_attach(work, target);
  work.result.transaction = {"attach",        work.result.survey.plan,    current_binding(facts_of(work)),
                             std::move(home), work.result.survey.vm_uuid, 0};
}

/// libvirt is asked only if gpuctl has put the GPU into a domain; then the GPU can come home without it too.
void plan_vm_for_release(Work& work, Plan& plan) {
  if (!work.assignment || work.request.by_itself) return;
  try {
    if (work.request.without_libvirt)
      throw Error(ErrorCode::libvirt_unavailable, "it has not answered a moment ago");
    take_vm_part(work,
                 release_vm_part(work.request, work.gpu, work.snapshot,
                                 answering_hypervisor(work.platform)->vm(work.assignment->vm_uuid)),
                 plan);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::vm_not_found) return;
    work.result.survey.problems.push_back(
        {"vm-not-updated", Severity::warning, work.assignment->vm_name,
         fmt::format("The definition of {} keeps the GPU, for libvirt cannot be reached: {}",
                     work.assignment->vm_name, e.what()),
         "Start libvirt and release again to take it out of the definition."});
  }
}

bool moves_functions(const Plan& plan) {
  return has_step(plan, StepKind::unbind) || has_step(plan, StepKind::bind);
}

/// The domain's own QEMU has the GPU until then; the steps themselves look again.
bool unplugs_first(const Plan& plan) { return has_step(plan, StepKind::vm_unplug); }

bool can_be_reset(const Work& work) {
  const auto* display = work.snapshot.find(work.gpu.address);
  return display != nullptr && resets_alone(*display, work.gpu.functions.size() > 1);
}

/// Taking the driver from a dead card gives nothing back: the ladder comes first, and only if it was asked
/// for.
Problems revival_problems(const Work& work) {
  Problems found;
  const auto how = work.request.revival;
  if (how == Revival::reset && !can_be_reset(work))
    found.push_back({"no-reset-method", Severity::blocker, work.gpu.address.str(),
                     fmt::format("The kernel knows no way to reset {} alone.", work.gpu.address.str()),
                     fmt::format("Take it off the bus and scan again: gpuctl release {} --rescan",
                                 work.gpu.slot().str())});
  const auto* display = work.snapshot.find(work.gpu.address);
  const bool host_display = display != nullptr && display->boot_vga && !display->vfio;
  if (how != Revival::none && host_display)
    found.push_back({"boot-display", Severity::blocker, work.gpu.address.str(),
                     fmt::format("The host's console is on {}.", work.gpu.address.str()),
                     "Use --force if you reach this machine over the network."});
  if (how != Revival::none) return found;
  for (auto& problem : card_problems(work.gpu, work.snapshot))
    if (problem.id == "gpu-gone") found.push_back(std::move(problem));
  return found;
}

/// Where nothing else is to be done, a definition that cannot be reached is the whole request.
void require_the_vm(Problems& problems) {
  for (auto& problem : problems)
    if (problem.id == "vm-not-updated") problem.severity = Severity::blocker;
}

void prepare_release(Work& work) {
  ReleaseTarget target;
  target.revival = work.request.revival;
  plan_vm_for_release(work, target.first);
  const auto home = home_binding(facts_of(work));
  auto& problems = work.result.survey.problems;
  append(problems, identity_problems(home, work.snapshot));
  const auto nodes = device_nodes(work.root, work.gpu.functions);
  target.nodes = closable_nodes(work.root, DevNodeControl(work.root), nodes);
  work.result.survey.plan = release_plan(work.gpu, work.snapshot, work.drivers, home, target);
  const bool moves = moves_functions(work.result.survey.plan);
  if (work.result.survey.plan.empty()) require_the_vm(problems);
  if (moves) append(problems, revival_problems(work));
  if (moves && !unplugs_first(target.first) && !is_blocked(problems))
    append(problems, user_problems(device_users(work.root, nodes), force(work)));
  work.result.transaction = {
      "release", work.result.survey.plan, current_binding(facts_of(work)), home, home.vm, 0};
}

}  // namespace

Prepared prepare(const Request& request, const Snapshot& snapshot, const Platform& platform) {
  auto work = make_work(request, snapshot, platform);
  request.verb == Verb::attach ? prepare_attach(work) : prepare_release(work);
  if (request.verb == Verb::attach)
    append(work.result.survey.problems, missing_modules(work.result.survey.plan, platform.modules_dir));
  if (request.force || request.may_go_dark) apply_force(work.result.survey.problems);
  return std::move(work.result);
}

}  // namespace gpuctl
