// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/bus_values.hpp"

#include <algorithm>
#include <charconv>

#include "gpuctl_names.hpp"

namespace gpuctl::cli {
namespace {

using Text = std::string;
using Texts = std::vector<std::string>;
using WireFunction =
    sdbus::Struct<Text, Text, Text, Text, Text, Texts, Text, Text, Texts, Text, Text, Text, Text>;
using WireOperationStep = sdbus::Struct<Text, Text, Text, Text>;

template <class Value>
Value value_of(const Properties& properties, const char* name) {
  const auto found = properties.find(name);
  if (found == properties.end() || !found->second.containsValueOfType<Value>()) return {};
  return found->second.get<Value>();
}

Text text_of(const Properties& properties, const char* name) { return value_of<Text>(properties, name); }

Text path_of(const Properties& properties, const char* name) {
  const auto path = value_of<sdbus::ObjectPath>(properties, name);
  return path == "/" ? Text{} : Text{path};
}

Function function_of(const WireFunction& wire) {
  const auto& [address, class_code, ids, subsystem, driver, modules, override_, power, resets, name, revision,
               class_name, subsystem_name] = static_cast<const WireFunction::tuple&>(wire);
  return {address, class_code, ids,  subsystem, driver,     modules,       override_,
          power,   resets,     name, revision,  class_name, subsystem_name};
}

std::vector<Function> functions_of(const Properties& properties, const char* name) {
  std::vector<Function> functions;
  for (const auto& wire : value_of<std::vector<WireFunction>>(properties, name))
    functions.push_back(function_of(wire));
  return functions;
}

Gpu gpu_of(const Text& path, const Properties& p) {
  return {path,
          text_of(p, "Address"),
          text_of(p, "Name"),
          text_of(p, "Vendor"),
          text_of(p, "State"),
          text_of(p, "Vm"),
          path_of(p, "IommuGroup"),
          value_of<bool>(p, "BootDisplay"),
          functions_of(p, "Functions"),
          problems_of(value_of<WireProblems>(p, "Problems"))};
}

Group group_of(const Text& path, const Properties& p) {
  return {path,
          value_of<std::uint32_t>(p, "Number"),
          text_of(p, "Type"),
          functions_of(p, "Devices"),
          value_of<bool>(p, "Isolated"),
          problems_of(value_of<WireProblems>(p, "Problems"))};
}

std::uint64_t numeric(const Text& digits) {
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

}  // namespace

std::vector<Problem> problems_of(const WireProblems& wire) {
  std::vector<Problem> problems;
  for (const auto& p : wire) {
    problems.push_back({text_of(p, "id"), text_of(p, "severity"), text_of(p, "subject"),
                        text_of(p, "message"), text_of(p, "remedy")});
  }
  return problems;
}

std::vector<Step> steps_of(const WireSteps& wire) {
  std::vector<Step> steps;
  for (const auto& step : wire)
    steps.push_back({std::get<0>(step), std::get<1>(step), std::get<2>(step), {}});
  return steps;
}

Operation operation_of(const std::string& path, const Properties& p) {
  Operation o{path,
              text_of(p, "Kind"),
              path_of(p, "Gpu"),
              text_of(p, "Vm"),
              text_of(p, "State"),
              text_of(p, "Error"),
              text_of(p, "Message"),
              value_of<std::uint32_t>(p, "Step"),
              value_of<std::uint32_t>(p, "StartedBy"),
              {}};
  for (const auto& step : value_of<std::vector<WireOperationStep>>(p, "Steps")) {
    o.steps.push_back({std::get<0>(step), std::get<1>(step), std::get<2>(step), std::get<3>(step)});
  }
  return o;
}

Objects objects_of(const ManagedObjects& wire) {
  Objects objects;
  for (const auto& [path, interfaces] : wire) {
    for (const auto& [interface, properties] : interfaces) {
      if (interface == names::gpu_interface) objects.gpus.push_back(gpu_of(path, properties));
      if (interface == names::group_interface) objects.groups.push_back(group_of(path, properties));
      if (interface == names::operation_interface)
        objects.operations.push_back(operation_of(path, properties));
    }
  }
  std::ranges::sort(objects.gpus, {}, &Gpu::address);
  std::ranges::sort(objects.groups, {}, &Group::number);
  std::ranges::sort(objects.operations, {}, [](const Operation& o) { return numeric(o.number()); });
  return objects;
}

std::vector<User> users_of(const std::vector<Properties>& wire) {
  std::vector<User> users;
  for (const auto& p : wire) {
    users.push_back({value_of<std::uint32_t>(p, "pid"), value_of<std::uint32_t>(p, "uid"),
                     text_of(p, "command"), text_of(p, "unit"), text_of(p, "session"), text_of(p, "what"),
                     text_of(p, "via"), text_of(p, "remedy"), text_of(p, "container"), text_of(p, "machine"),
                     value_of<bool>(p, "lets-go"), value_of<bool>(p, "shared")});
  }
  return users;
}

std::vector<Vm> vms_of(const std::vector<Properties>& wire) {
  std::vector<Vm> vms;
  for (const auto& p : wire) {
    vms.push_back({text_of(p, "name"), text_of(p, "uuid"), text_of(p, "state"), value_of<Texts>(p, "gpus"),
                   problems_of(value_of<WireProblems>(p, "problems"))});
  }
  return vms;
}

Properties wire_options(const RequestOptions& options) {
  auto wire = wire_interaction(options.interaction);
  if (options.force) wire.emplace("force", sdbus::Variant{true});
  if (options.live) wire.emplace("live", sdbus::Variant{true});
  if (options.start) wire.emplace("start", sdbus::Variant{true});
  if (options.keep) wire.emplace("keep", sdbus::Variant{true});
  if (options.reset) wire.emplace("reset", sdbus::Variant{true});
  if (options.rescan) wire.emplace("rescan", sdbus::Variant{true});
  if (!options.verb.empty()) wire.emplace("verb", sdbus::Variant{options.verb});
  return wire;
}

KernelArguments kernel_arguments_of(const Properties& p) {
  return {text_of(p, "mechanism"),
          text_of(p, "description"),
          value_of<Texts>(p, "current"),
          value_of<Texts>(p, "configured"),
          value_of<Texts>(p, "add"),
          value_of<Texts>(p, "remove"),
          text_of(p, "advice"),
          value_of<bool>(p, "changed-by-gpuctl"),
          value_of<bool>(p, "reboot-needed")};
}

std::vector<BootPolicy> boot_policies_of(const std::vector<Properties>& wire) {
  std::vector<BootPolicy> policies;
  for (const auto& p : wire) {
    policies.push_back({text_of(p, "gpu"), text_of(p, "side"), text_of(p, "state"), text_of(p, "ids"),
                        value_of<bool>(p, "late"), value_of<bool>(p, "disabled")});
  }
  return policies;
}

Properties wire_interaction(Interaction interaction) {
  Properties wire;
  if (interaction == Interaction::declined) wire.emplace("interactive", sdbus::Variant{false});
  return wire;
}

Properties wire_wish(const KernelArgumentsWish& wish, Interaction interaction) {
  auto wire = wire_interaction(interaction);
  if (wish.passthrough) wire.emplace("passthrough", sdbus::Variant{true});
  if (wish.drop_vfio_ids) wire.emplace("drop-vfio-ids", sdbus::Variant{true});
  return wire;
}

Properties wire_setup(const VmSetup& setup) {
  auto wire = wire_interaction(setup.interaction);
  if (!setup.looking_glass.empty()) wire.emplace("looking-glass", sdbus::Variant{setup.looking_glass});
  if (!setup.transport.empty()) wire.emplace("transport", sdbus::Variant{setup.transport});
  if (setup.rom) wire.emplace("rom", sdbus::Variant{*setup.rom});
  if (!setup.gpu.empty()) wire.emplace("gpu", sdbus::Variant{setup.gpu});
  if (setup.battery) wire.emplace("battery", sdbus::Variant{true});
  if (setup.dry_run) wire.emplace("dry-run", sdbus::Variant{true});
  return wire;
}

}  // namespace gpuctl::cli
