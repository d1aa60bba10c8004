// SPDX-License-Identifier: GPL-2.0-or-later
#include "support/fake_kernel.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "core/error.hpp"

namespace gpuctl::test {
namespace {

std::string dir_of(PciAddress address) { return "sys/bus/pci/devices/" + address.str(); }

bool is_vfio(const std::string& driver) {
  return driver == "vfio-pci" || driver.ends_with("-vfio-pci") || driver.ends_with("_vfio_pci");
}

std::uint32_t hex(const std::string& text) {
  std::uint32_t value = 0;
  std::from_chars(text.data() + 2, text.data() + text.size(), value, 16);
  return value;
}

void nothing() {}

}  // namespace

FakeKernel::FakeKernel(FakeMachine& machine) : machine_(machine), root_(machine.root()) {
  for (const auto address : functions())
    if (const auto driver = driver_of(address); !driver.empty() && !is_vfio(driver)) matches(address, driver);
}

FakeKernel& FakeKernel::matches(PciAddress address, const std::string& driver) {
  matching_[address].insert(driver);
  return *this;
}

FakeKernel& FakeKernel::used(PciAddress address, bool yes) {
  if (yes)
    used_.insert(address);
  else
    used_.erase(address);
  return *this;
}

FakeKernel& FakeKernel::group_owned_by_vm(std::set<PciAddress> members) {
  owned_by_vm_ = std::move(members);
  return *this;
}

FakeKernel& FakeKernel::loadable(const std::string& module, const std::string& driver, bool needs_device) {
  modules_[module] = {driver, needs_device};
  return *this;
}

FakeKernel& FakeKernel::running(const std::string& unit) {
  units_.insert(unit);
  return *this;
}

std::vector<PciAddress> FakeKernel::functions() const {
  std::vector<PciAddress> found;
  for (const auto& name : root_.list("sys/bus/pci/devices"))
    if (const auto address = PciAddress::parse(name)) found.push_back(*address);
  return found;
}

bool FakeKernel::exists(PciAddress address) const { return root_.exists(dir_of(address)); }

std::string FakeKernel::driver_of(PciAddress address) const {
  return root_.link_name(dir_of(address) + "/driver");
}

std::string FakeKernel::override_of(PciAddress address) const {
  const auto text = root_.text(dir_of(address) + "/driver_override");
  return text == "(null)" ? "" : text;
}

void FakeKernel::refuse(PciAddress address, const std::string& what, int error) const {
  const auto code = exists(address) ? ErrorCode::kernel_refused : ErrorCode::device_gone;
  throw Error(code, fmt::format("{}: {}: {} ({})", address.str(), what, std::strerror(error),
                                ::strerrorname_np(error)));
}

/// What goes wrong before the call itself.
void FakeKernel::strike(const Fault& fault, PciAddress address, const std::string& what) {
  switch (fault.kind) {
    case FaultKind::error:
      refuse(address, what, fault.number);
    case FaultKind::vanish:
      if (exists(address)) machine_.unplug(address.str());
      break;
    case FaultKind::all_ones:
      for (const auto each : functions())
        if (each.slot() == address.slot()) machine_.fall_off_the_bus(each.str());
      break;
    case FaultKind::late:
      now_ += std::chrono::hours{1};
      break;
    default:
      break;
  }
}

void FakeKernel::hang(PciAddress address, const std::function<void()>& begun, std::function<void()> effect) {
  begun();
  pending_[address] = std::move(effect);
  throw Hang{};
}

void FakeKernel::call(PciAddress address, const std::string& what, const std::function<void()>& begun,
                      const std::function<void()>& effect) {
  const auto fault = faults_.next(fmt::format("{} {}", what, address.str()));
  if (fault) strike(*fault, address, what);
  if (!exists(address)) refuse(address, what, ENODEV);
  const auto whole = [&, begun, effect] {
    begun();
    effect();
  };
  if (fault && fault->kind == FaultKind::no_effect) return;
  if (fault && fault->kind == FaultKind::hang) hang(address, begun, effect);
  whole();
  if (fault && fault->kind == FaultKind::crash_after) throw Crash{};
}

void FakeKernel::let_go(PciAddress address) {
  used_.erase(address);
  const auto found = pending_.find(address);
  if (found == pending_.end()) return;
  const auto effect = found->second;
  pending_.erase(found);
  if (exists(address)) effect();
}

void FakeKernel::let_go_all() {
  while (!pending_.empty()) let_go(pending_.begin()->first);
}

void FakeKernel::set_driver_override(PciAddress address, const std::string& driver) {
  call(address, fmt::format("writing '{}' to driver_override", driver), nothing, [this, address, driver] {
    machine_.set(address.str(), "driver_override", (driver.empty() ? "(null)" : driver) + "\n");
  });
}

void FakeKernel::unbind(PciAddress address, const std::string& driver) {
  const auto what = fmt::format("unbinding from {}", driver);
  const bool its = driver_of(address) == driver;
  const auto finish = [this, address, driver, its] {
    if (!its) return;
    machine_.unbind(address.str());
    if (is_vfio(driver)) machine_.set(address.str(), "power/control", "on\n");
  };
  const auto begin = [this, address, its, finish] {
    if (busy(address)) throw Hang{};
    if (!its) return;
    machine_.begin_unbind(address.str());
    if (used_.contains(address)) hang(address, nothing, finish);
  };
  try {
    call(address, what, begin, finish);
  } catch (const Error& e) {
    // As SysfsPciControl: a function that this driver does not have is unbound from it.
    const bool not_its = std::string_view{e.what()}.ends_with("(ENODEV)");
    if (e.code() == ErrorCode::device_gone || !not_its) throw;
  }
}

bool FakeKernel::may_bind(PciAddress address, const std::string& driver) const {
  const auto wanted = override_of(address);
  if (!wanted.empty()) return wanted == driver;
  const auto known = matching_.find(address);
  return !is_vfio(driver) && known != matching_.end() && known->second.contains(driver);
}

void FakeKernel::attach_driver(PciAddress address, const std::string& driver) {
  machine_.bind(address.str(), driver);
  for (auto& node : nodes_)
    if (node.function == address && node.by == MadeBy::kernel && node.driver == driver)
      node.is.mode = node.at_first;
  if (is_vfio(driver)) machine_.set(address.str(), "power/control", "auto\n");
}

void FakeKernel::bind(PciAddress address, const std::string& driver) {
  const auto what = fmt::format("binding to {}", driver);
  call(
      address, what,
      [this, address, driver, what] {
        if (busy(address)) throw Hang{};
        const auto bound = driver_of(address);
        if (bound == driver) return;
        if (!root_.exists("sys/bus/pci/drivers/" + driver)) refuse(address, what, ENOENT);
        if (!bound.empty()) refuse(address, what, EBUSY);
        if (!may_bind(address, driver)) refuse(address, what, ENODEV);
        if (!is_vfio(driver) && owned_by_vm_.contains(address)) refuse(address, what, EBUSY);
        attach_driver(address, driver);
      },
      nothing);
}

void FakeKernel::set_power_control(PciAddress address, const std::string& on_or_auto) {
  if (busy(address)) throw Hang{};
  call(address, fmt::format("writing {} to power/control", on_or_auto), nothing,
       [this, address, on_or_auto] { machine_.set(address.str(), "power/control", on_or_auto + "\n"); });
}

void FakeKernel::set_d3cold_allowed(PciAddress address, bool allowed) {
  call(address, fmt::format("writing {} to d3cold_allowed", allowed ? 1 : 0), nothing,
       [this, address, allowed] { machine_.set(address.str(), "d3cold_allowed", allowed ? "1\n" : "0\n"); });
}

void FakeKernel::reset(PciAddress address) {
  call(address, "writing 1 to reset", nothing, [this, address] {
    if (!root_.exists(dir_of(address) + "/reset_method")) refuse(address, "writing 1 to reset", ENOTTY);
  });
}

void FakeKernel::remove(PciAddress address) {
  if (busy(address)) throw Hang{};
  call(address, "writing 1 to remove", nothing, [this, address] {
    const auto number = [&](const char* name) { return hex(root_.text(dir_of(address) + "/" + name)); };
    const auto half = [&](const char* name) { return static_cast<std::uint16_t>(number(name)); };
    removed_[address] = {half("vendor"), half("device"), half("subsystem_vendor"), half("subsystem_device"),
                         number("class")};
    machine_.unplug(address.str());
  });
}

FakeKernel& FakeKernel::taken_when_found(PciAddress address, const std::string& driver,
                                         const std::string& override_name) {
  taken_when_found_[address] = {driver, override_name};
  return *this;
}

void FakeKernel::rescan() {
  for (const auto& [address, id] : removed_) {
    machine_.function(address.str(), {.id = id});
    if (const auto taken = taken_when_found_.find(address); taken != taken_when_found_.end()) {
      const auto& [by, override_name] = taken->second;
      if (!override_name.empty()) machine_.set(address.str(), "driver_override", override_name + "\n");
      attach_driver(address, by);
      continue;
    }
    for (const auto& driver : matching_[address])
      if (root_.exists("sys/bus/pci/drivers/" + driver)) attach_driver(address, driver);
  }
  removed_.clear();
}

void FakeKernel::call_unit(const std::string& what, const std::function<void()>& effect) {
  const auto fault = faults_.next(what);
  if (fault && fault->kind == FaultKind::error)
    throw Error(ErrorCode::kernel_refused, fmt::format("{}: {}", what, std::strerror(fault->number)));
  if (fault && fault->kind == FaultKind::late) now_ += std::chrono::hours{1};
  if (fault && fault->kind == FaultKind::no_effect) return;
  if (fault && fault->kind == FaultKind::hang)
    throw Error(ErrorCode::kernel_refused, what + ": no answer in time");
  effect();
  if (fault && fault->kind == FaultKind::crash_after) throw Crash{};
}

void FakeKernel::drm_event(const std::string& card, const std::string& action) {
  call_unit(fmt::format("announcing {} of {}", action, card),
            [&] { drm_events_.push_back(action + " " + card); });
}

void FakeKernel::start_unit(const std::string& unit) {
  call_unit("starting " + unit, [&] { units_.insert(unit); });
}

void FakeKernel::restart_unit(const std::string& unit) {
  call_unit("restarting " + unit, [&] {
    restarted_.push_back(unit);
    units_.insert(unit);
  });
}

void FakeKernel::stop_unit(const std::string& unit) {
  call_unit("stopping " + unit, [&] { units_.erase(unit); });
}

FakeKernel& FakeKernel::node(PciAddress function, const NodeMode& node, MadeBy by) {
  nodes_.push_back({node, function, by, driver_of(function), node.mode});
  return *this;
}

bool FakeKernel::is_there(const Node& node) const {
  return node.by == MadeBy::userspace || (exists(node.function) && driver_of(node.function) == node.driver);
}

NodeModes FakeKernel::nodes() const {
  NodeModes found;
  for (const auto& node : nodes_)
    if (is_there(node)) found.push_back(node.is);
  return found;
}

std::vector<unsigned> FakeKernel::minors(const std::string& prefix) const {
  std::vector<unsigned> found;
  for (const auto& node : nodes())
    if (node.path == fmt::format("{}{}", prefix, node.minor)) found.push_back(node.minor);
  return found;
}

std::optional<unsigned> FakeKernel::mode(const NodeMode& wanted) const {
  for (const auto& node : nodes())
    if (node.major == wanted.major && node.minor == wanted.minor) return node.mode;
  return std::nullopt;
}

bool FakeKernel::change(const NodeMode& wanted, unsigned from, unsigned to) {
  if (mode(wanted) != from) return false;
  call_unit(fmt::format("changing the mode of {} to {:04o}", wanted.path, to), [&] {
    for (auto& node : nodes_)
      if (node.is.path == wanted.path) node.is.mode = to;
  });
  return true;
}

bool FakeKernel::probe_unbound(const std::string& driver) {
  bool any = false;
  for (const auto address : functions()) {
    any = any || driver_of(address) == driver;
    if (!driver_of(address).empty() || !may_bind(address, driver)) continue;
    attach_driver(address, driver);
    any = true;
  }
  return any;
}

/// modprobe@.service hides failures, so neither does this tell of them.
void FakeKernel::load_module(const std::string& module) {
  call_unit("loading " + module, [&] {
    const auto known = modules_.find(module);
    if (known == modules_.end()) return;
    const auto& [driver, needs_device] = known->second;
    if (driver.empty()) return static_cast<void>(machine_.module(module));
    machine_.driver(driver, module);
    if (probe_unbound(driver) || !needs_device) return;
    machine_.erase("sys/bus/pci/drivers/" + driver).erase("sys/module/" + module);
  });
}

void FakeKernel::unload_module(const std::string& module) {
  call_unit("unloading " + module, [&] { machine_.erase("sys/module/" + module); });
}

}  // namespace gpuctl::test
