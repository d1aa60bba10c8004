// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/binding.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/json_number.hpp"
#include "rebind/native_driver.hpp"

namespace gpuctl {
namespace {

using nlohmann::json;

FunctionBinding record(const PciFunction& f, const Drivers& drivers) {
  const auto module = drivers.find(f.driver);
  return {.address = f.address,
          .id = f.id,
          .driver = f.driver,
          .module = module == drivers.end() ? "" : module->second,
          .driver_override = f.driver_override,
          .power_control = f.power_control,
          .d3cold_allowed = f.d3cold_allowed};
}

std::string described(const PciIdentity& id) {
  return fmt::format("{} (subsystem {:04x}:{:04x}, class {:06x})", id.ids(), id.subsystem_vendor,
                     id.subsystem_device, id.class_code);
}

const PciFunction* same_card_elsewhere(const FunctionBinding& recorded, const Snapshot& snapshot) {
  for (const auto& [address, function] : snapshot.functions)
    if (address != recorded.address && function.id == recorded.id) return &function;
  return nullptr;
}

/// A card of the same ids elsewhere may be the one that moved, or a twin: the sentence says no more than
/// that.
Problem absence(const FunctionBinding& recorded, const Snapshot& snapshot) {
  const auto subject = recorded.address.str();
  if (const auto* moved = same_card_elsewhere(recorded, snapshot))
    return {"device-moved", Severity::blocker, subject,
            fmt::format("{} was at {}, where nothing is now; a card with these ids is at {}.",
                        described(recorded.id), subject, moved->address.str()),
            "Bring the card back to its slot, or release it there by hand and reboot."};
  return {"device-gone", Severity::blocker, subject,
          fmt::format("{} was at {} and has left the bus.", described(recorded.id), subject),
          "Rescan the PCI bus, or reboot."};
}

/// Without a companion the rest comes home all the same.
Problem companion_absence(const FunctionBinding& recorded, const Snapshot& snapshot) {
  auto problem = absence(recorded, snapshot);
  problem.severity = Severity::warning;
  problem.remedy =
      fmt::format("The rest of the GPU can be released; 'gpuctl release {} --rescan' looks for it.",
                  recorded.address.slot().str());
  return problem;
}

std::string or_none(const std::string& driver) { return driver.empty() ? "no driver" : driver; }

json to_json(const PciIdentity& id) {
  return {id.vendor, id.device, id.subsystem_vendor, id.subsystem_device, id.class_code};
}

PciIdentity identity(const json& j) {
  if (!j.is_array() || j.size() != 5)
    throw Error(ErrorCode::internal, "a recorded identity is no five numbers");
  return {json_number<std::uint16_t>(j[0]), json_number<std::uint16_t>(j[1]),
          json_number<std::uint16_t>(j[2]), json_number<std::uint16_t>(j[3]),
          json_number<std::uint32_t>(j[4])};
}

PciAddress address(const json& j) {
  const auto text = j.get<std::string>();
  if (const auto parsed = PciAddress::parse(text)) return *parsed;
  throw Error(ErrorCode::internal, fmt::format("'{}' in a record is no PCI address", text));
}

json to_json(const FunctionBinding& f) {
  json j{{"address", f.address.str()}, {"id", to_json(f.id)},           {"driver", f.driver},
         {"module", f.module},         {"override", f.driver_override}, {"power", f.power_control}};
  if (f.d3cold_allowed) j["d3cold"] = *f.d3cold_allowed;
  return j;
}

FunctionBinding function_binding(const json& j) {
  FunctionBinding f{.address = address(j.at("address")),
                    .id = identity(j.at("id")),
                    .driver = j.at("driver").get<std::string>(),
                    .module = j.at("module").get<std::string>(),
                    .driver_override = j.at("override").get<std::string>(),
                    .power_control = j.at("power").get<std::string>(),
                    .d3cold_allowed = std::nullopt};
  if (j.contains("d3cold")) f.d3cold_allowed = j.at("d3cold").get<bool>();
  return f;
}

Binding binding(const json& j) {
  Binding b{.gpu = address(j.at("gpu")),
            .boot_id = j.at("boot_id").get<std::string>(),
            .functions = {},
            .stopped_units = j.at("stopped_units").get<std::vector<std::string>>(),
            .unloaded_modules = j.at("unloaded_modules").get<std::vector<std::string>>(),
            .vm = j.at("vm").get<std::string>()};
  for (const auto& f : j.at("functions")) b.functions.push_back(function_binding(f));
  return b;
}

}  // namespace

const FunctionBinding* Binding::find(PciAddress wanted) const {
  const auto it = std::ranges::find(functions, wanted, &FunctionBinding::address);
  return it == functions.end() ? nullptr : &*it;
}

const PciFunction* same_function(const Snapshot& now, const FunctionBinding& recorded) {
  const auto* f = now.find(recorded.address);
  return f != nullptr && f->id == recorded.id ? f : nullptr;
}

Binding record_binding(const Gpu& gpu, const Snapshot& snapshot, const Drivers& drivers) {
  Binding b{.gpu = gpu.address,
            .boot_id = {},
            .functions = {},
            .stopped_units = {},
            .unloaded_modules = {},
            .vm = {}};
  for (const auto each : gpu.functions)
    if (const auto* f = snapshot.find(each)) b.functions.push_back(record(*f, drivers));
  return b;
}

Binding native_binding(const Gpu& gpu, const Snapshot& snapshot, const Drivers& drivers,
                       const std::set<std::string>& kept_away) {
  auto b = record_binding(gpu, snapshot, drivers);
  const bool none_bound = bound_state(gpu, snapshot) == GpuState::unbound;
  for (auto& f : b.functions) {
    const auto* now = snapshot.find(f.address);
    if (!none_bound && !now->vfio) continue;
    f.driver_override.clear();
    const auto native = native_driver(now->modules, drivers, kept_away);
    f.driver = native.driver;
    f.module = native.module;
  }
  return b;
}

Problems identity_problems(const Binding& recorded, const Snapshot& snapshot) {
  Problems problems;
  for (const auto& f : recorded.functions) {
    const auto* now = snapshot.find(f.address);
    if (now == nullptr)
      problems.push_back(f.address == recorded.gpu ? absence(f, snapshot) : companion_absence(f, snapshot));
    else if (now->id != f.id)
      problems.push_back({"device-changed", Severity::blocker, f.address.str(),
                          fmt::format("At {} is {} now, but {} was recorded.", f.address.str(),
                                      described(now->id), described(f.id)),
                          "Put the recorded card back, or reboot to forget the record."});
  }
  return problems;
}

std::vector<std::string> differences(const Binding& binding, const Snapshot& now) {
  std::vector<std::string> found;
  for (const auto& recorded : binding.functions) {
    const auto* f = same_function(now, recorded);
    if (f == nullptr) continue;
    const auto address = f->address.str();
    if (f->driver != recorded.driver)
      found.push_back(
          fmt::format("{} has {} instead of {}", address, or_none(f->driver), or_none(recorded.driver)));
    if (f->driver_override != recorded.driver_override)
      found.push_back(fmt::format("{} has driver_override '{}' instead of '{}'", address, f->driver_override,
                                  recorded.driver_override));
  }
  return found;
}

std::vector<std::string> power_differences(const Binding& binding, const Snapshot& now) {
  std::vector<std::string> found;
  for (const auto& recorded : binding.functions) {
    const auto* f = same_function(now, recorded);
    if (f == nullptr) continue;
    const auto address = f->address.str();
    if (!recorded.power_control.empty() && f->power_control != recorded.power_control)
      found.push_back(fmt::format("{} has power/control '{}' instead of '{}'", address, f->power_control,
                                  recorded.power_control));
    if (recorded.d3cold_allowed && f->d3cold_allowed && f->d3cold_allowed != recorded.d3cold_allowed)
      found.push_back(fmt::format("{} has d3cold_allowed {} instead of {}", address,
                                  *f->d3cold_allowed ? 1 : 0, *recorded.d3cold_allowed ? 1 : 0));
  }
  return found;
}

json binding_to_json(const Binding& b) {
  auto functions = json::array();
  for (const auto& f : b.functions) functions.push_back(to_json(f));
  return {{"gpu", b.gpu.str()},
          {"boot_id", b.boot_id},
          {"functions", std::move(functions)},
          {"stopped_units", b.stopped_units},
          {"unloaded_modules", b.unloaded_modules},
          {"vm", b.vm}};
}

Binding binding_from_json(const json& j) try { return binding(j); } catch (const json::exception& e) {
  throw Error(ErrorCode::internal, fmt::format("a recorded binding is not readable: {}", e.what()));
}

}  // namespace gpuctl
