// SPDX-License-Identifier: GPL-2.0-or-later
#include "world.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "core/error.hpp"

namespace gpuctl::test {
namespace {

constexpr auto boot = "6f1f2d6e-0000-4000-8000-000000000001";
constexpr auto unit = "nvidia-persistenced.service";
constexpr auto vm_uuid = "2b0b4d7e-0000-4000-8000-0000000000aa";

/// What the builders leave to the user of a machine.
FakeMachine& built(FakeMachine& machine, void (*build)(FakeMachine&)) {
  build(machine);
  return machine.file("proc/sys/kernel/random/boot_id", std::string(boot) + "\n")
      .module("nvidia_modeset")
      .module("nvidia_drm");
}

}  // namespace

std::vector<std::string> operator+(std::vector<std::string> left, const std::vector<std::string>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

template <class Effect>
void FaultyStateDir::counted(const std::string& what, Effect effect) {
  const auto fault = faults_.next(what);
  if (fault && fault->kind == FaultKind::error)
    throw Error(ErrorCode::state_unwritable,
                fmt::format("cannot {}: {}", what, std::strerror(fault->number)));
  effect();
  if (fault && fault->kind == FaultKind::crash_after) throw Crash{};
}

void FaultyStateDir::replace(const std::string& name, const std::string& contents, std::size_t reserve) {
  counted("write state " + name, [&] { StateDir::replace(name, contents, reserve); });
}
void FaultyStateDir::append(const std::string& name, const std::string& text) {
  counted("append to state " + name, [&] { StateDir::append(name, text); });
}
void FaultyStateDir::remove(const std::string& name) {
  counted("remove state " + name, [&] { StateDir::remove(name); });
}
std::string FaultyStateDir::move_aside(const std::string& name) {
  std::string aside;
  counted("move aside state " + name, [&] { aside = StateDir::move_aside(name); });
  return aside;
}

World::World(void (*build)(FakeMachine&))
    : kernel(built(machine, build)),
      root(machine.root()),
      journal_dir(machine.root() / "run/gpuctl/journal", kernel.faults()),
      bindings_dir(machine.root() / "run/gpuctl/bindings", kernel.faults()),
      journals(journal_dir),
      bindings(bindings_dir, boot) {
  kernel.running(unit)
      .loadable("nvidia_modeset", "")
      .loadable("nvidia_drm", "")
      .loadable("nvidia", "nvidia", true);
  kernel.node(gpu_address, {"/dev/nvidia0", 195, 0, 0666}, FakeKernel::MadeBy::userspace)
      .node(gpu_address, {"/dev/dri/card1", 226, 1, 0660})
      .node({0, 1, 0, 1}, {"/dev/snd/controlC1", 116, 7, 0660});
  nodes = kernel.nodes();
  home = record_binding(gpu(), snapshot(), drivers());
  target.stop_units = {unit};
  target.nodes = nodes;
  if (root.exists("sys/class/drm/card1")) target.drm_cards = {"card1"};
  if (home.functions.size() > 2) target.unload_modules = {"nvidia_drm", "nvidia_modeset"};
  target.last = {{StepKind::vm_add_devices, vm_uuid, "", ""}};
  home.stopped_units = target.stop_units;
  home.unloaded_modules = target.unload_modules;
  hooks.now = [this] { return kernel.now(); };
}

World::~World() = default;

Gpu World::gpu() const {
  Gpu found{gpu_address, {}};
  for (const auto& name : root.list("sys/bus/pci/devices"))
    if (const auto address = PciAddress::parse(name); address && address->slot() == gpu_address.slot())
      found.functions.push_back(*address);
  return found;
}

Snapshot World::snapshot() const {
  Snapshot now;
  for (const auto address : gpu().functions) now.functions[address] = read_function(root, address);
  return now;
}

Transaction World::attach() const {
  const auto now = snapshot();
  auto home_now = home;
  std::erase_if(home_now.functions, [&](const FunctionBinding& f) { return now.find(f.address) == nullptr; });
  auto before = record_binding(gpu(), now, drivers());
  if (before.functions == home_now.functions) before = home_now;
  return {"attach", attach_plan(gpu(), now, drivers(), target), before, home_now, vm_uuid, 1000};
}

Transaction World::release() const {
  const auto now = snapshot();
  const ReleaseTarget release{{{StepKind::vm_remove_devices, vm_uuid, "", ""}}, {}};
  return {"release",
          release_plan(gpu(), now, drivers(), home, release),
          record_binding(gpu(), now, drivers()),
          home,
          vm_uuid,
          1000};
}

std::string World::helper_file() const { return fmt::format("proc/{}/stat", ::getpid()); }

void World::helper_is_gone() { machine.erase(helper_file()); }

/// Each with a start time of its own: what the process before it has left behind is not its.
template <class Work>
auto World::in_helper(Work work) {
  machine.file(helper_file(),
               fmt::format("1 (helper (x) y) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 {} 1 1\n",
                           777 + helpers_++));
  try {
    auto result = work();
    helper_is_gone();
    return result;
  } catch (const Crash&) {
    helper_is_gone();
    throw;
  }
}

Outcome World::run(const Transaction& transaction) {
  Executor executor{*this, root, journals, bindings, hooks};
  return in_helper([&] { return executor.run(transaction); });
}

/// The daemon asks whether the last helper lives before it starts another one.
std::vector<Outcome> World::recover() {
  std::vector<Outcome> outcomes;
  Executor executor{*this, root, journals, bindings, hooks};
  for (const auto& journal : journals.load(boot).unfinished) {
    const auto recover = [&] { return executor.recover(journal); };
    outcomes.push_back(is_alive(root, journal.header.helper) ? recover() : in_helper(recover));
  }
  return outcomes;
}

KernelPerformer World::kernel_performer() {
  return {kernel, kernel,          kernel,
          root,   gpu().functions, [this](const auto& functions) { return users(functions); }};
}

void World::perform(const Step& step) {
  KernelPerformer::performs(step.kind) ? kernel_performer().perform(step) : perform_on_vm(step);
}

void World::perform_on_vm(const Step& step) {
  const auto what = fmt::format("domain {}: {}", step.subject, to_string(step.kind));
  const auto fault = kernel.faults().next(what);
  if (fault && fault->kind == FaultKind::error)
    throw Error(fault->number == ENOTCONN ? ErrorCode::libvirt_unavailable : ErrorCode::kernel_refused,
                fmt::format("{}: {}", what, std::strerror(fault->number)));
  vm.has_devices = step.kind == StepKind::vm_add_devices;
  if (fault && fault->kind == FaultKind::crash_after) throw Crash{};
}

Problems World::users(const std::vector<PciAddress>& functions) const {
  Problems found;
  for (const auto address : functions)
    if (kernel.is_used(address))
      found.push_back(
          {"in-use", Severity::blocker, address.str(), "Process 42 (Xorg) holds " + address.str() + ".", ""});
  return found;
}

std::vector<std::string> World::closed_nodes() const {
  std::vector<std::string> found;
  for (const auto& node : kernel.nodes())
    if (std::ranges::find(nodes, node) == nodes.end())
      found.push_back(fmt::format("{} has mode {:04o}", node.path, node.mode));
  return found;
}

std::vector<std::string> World::not_home() const {
  const auto now = snapshot();
  auto found = differences(home, now) + closed_nodes();
  for (const auto& recorded : home.functions)
    if (const auto* f = now.find(recorded.address); f != nullptr) {
      if (f->power_control != recorded.power_control)
        found.push_back(fmt::format("{} has power/control {}", f->address.str(), f->power_control));
      if (f->d3cold_allowed != recorded.d3cold_allowed)
        found.push_back(f->address.str() + " has another d3cold_allowed");
    }
  if (!kernel.units().contains(unit)) found.emplace_back("the unit is still stopped");
  if (vm.has_devices) found.emplace_back("the domain still has the devices");
  for (const auto& module : target.unload_modules)
    if (!root.exists("sys/module/" + module)) found.push_back(module + " is still unloaded");
  if (recorded()) found.emplace_back("the record is still there");
  return found;
}

std::vector<std::string> World::not_on_vfio() const {
  auto found = closed_nodes();
  for (const auto& [address, f] : snapshot().functions) {
    if (f.driver != "vfio-pci" || f.uevent_driver != "vfio-pci")
      found.push_back(address.str() + " has " + f.driver);
    if (f.driver_override != "vfio-pci")
      found.push_back(address.str() + " has override " + f.driver_override);
    if (f.power_control != "auto" || f.d3cold_allowed == false)
      found.push_back(address.str() + " is kept awake");
  }
  if (kernel.units().contains(unit)) found.emplace_back("the unit runs");
  if (!vm.has_devices) found.emplace_back("the domain lacks the devices");
  if (!recorded()) found.emplace_back("there is no record");
  return found;
}

std::string text(const Plan& plan) {
  std::string lines;
  for (const auto& s : plan)
    lines += fmt::format("{} {}{}{}\n", to_string(s.kind), s.subject, s.from.empty() ? "" : " from " + s.from,
                         s.to.empty() ? "" : " to " + s.to);
  return lines;
}

}  // namespace gpuctl::test
