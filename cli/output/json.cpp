// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/output/json.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace gpuctl::cli {
namespace {

/// "10de" and "25a0" of "10de:25a0".
Json vendor_part(const std::string& ids) { return json_text(ids.substr(0, ids.find(':'))); }
Json device_part(const std::string& ids) {
  const auto colon = ids.find(':');
  return json_text(colon == std::string::npos ? "" : ids.substr(colon + 1));
}

Json json_number(const std::string& digits) {
  std::uint32_t number = 0;
  const auto* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, number);
  return result.ec == std::errc{} && result.ptr == end ? Json(number) : Json(nullptr);
}

}  // namespace

Json json_text(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json json_of(const Function& f) {
  return {{"address", f.address},
          {"class", f.class_code},
          {"vendor_id", vendor_part(f.ids)},
          {"device_id", device_part(f.ids)},
          {"subsystem_vendor_id", vendor_part(f.subsystem_ids)},
          {"subsystem_device_id", device_part(f.subsystem_ids)},
          {"driver", json_text(f.driver)},
          {"modules", f.modules},
          {"driver_override", json_text(f.driver_override)},
          {"power_state", json_text(f.power_state)},
          {"reset_methods", f.reset_methods},
          {"name", f.name},
          {"revision", f.revision},
          {"class_name", f.class_name},
          {"subsystem_name", json_text(f.subsystem_name)}};
}

Json json_of(const Gpu& gpu, const std::vector<const Group*>& groups) {
  const auto* display = gpu.display();
  const auto ids = display != nullptr ? display->ids : std::string{};
  return {{"address", gpu.address},
          {"slot", gpu.slot()},
          {"name", gpu.name},
          {"vendor", gpu.vendor},
          {"vendor_id", vendor_part(ids)},
          {"device_id", device_part(ids)},
          {"state", gpu.state},
          {"driver", json_text(display != nullptr ? display->driver : "")},
          {"iommu_group", groups.empty() ? Json(nullptr) : Json(groups.front()->number)},
          {"isolated", !groups.empty() && std::ranges::all_of(groups, &Group::isolated)},
          {"boot_display", gpu.boot_display},
          {"vm", json_text(gpu.vm)},
          {"functions", json_list(gpu.functions)}};
}

Json json_of(const Group& group) {
  return {{"number", group.number},
          {"type", group.type},
          {"isolated", group.isolated},
          {"devices", json_list(group.devices)},
          {"problems", json_list(group.problems)}};
}

Json json_of(const Problem& problem) {
  return {{"id", problem.id},
          {"severity", problem.severity},
          {"subject", problem.subject},
          {"message", problem.message},
          {"remedy", problem.remedy}};
}

Json json_of(const Step& step) {
  Json json{{"kind", step.kind}, {"subject", step.subject}, {"detail", step.detail}};
  if (!step.state.empty()) json["state"] = step.state;
  return json;
}

Json json_of(const Operation& o, const Objects& objects) {
  const auto* gpu = objects.gpu_at(o.gpu_path);
  return {{"number", json_number(o.number())},
          {"path", o.path},
          {"kind", o.kind},
          {"gpu", gpu != nullptr ? Json(gpu->address) : Json(nullptr)},
          {"vm", json_text(o.vm)},
          {"state", o.state},
          {"step", o.step},
          {"steps", json_list(o.steps)},
          {"started_by", o.started_by},
          {"error", json_text(o.error)},
          {"message", json_text(o.message)}};
}

Json json_of(const User& user) {
  return {{"pid", user.pid},
          {"command", json_text(user.command)},
          {"uid", user.uid},
          {"unit", json_text(user.unit)},
          {"session", json_text(user.session)},
          {"container", json_text(user.container)},
          {"machine", json_text(user.machine)},
          {"what", user.what},
          {"via", user.via},
          {"lets_go", user.lets_go},
          {"shared", user.shared},
          {"remedy", user.remedy}};
}

Json json_of(const Vm& vm) {
  return {{"name", vm.name},
          {"uuid", vm.uuid},
          {"state", vm.state},
          {"gpus", vm.gpus},
          {"problems", json_list(vm.problems)}};
}

void print_json(const Console& console, const Json& document) {
  console.print(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace gpuctl::cli
