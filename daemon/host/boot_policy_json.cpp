// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/json_number.hpp"
#include "host/apply.hpp"
#include "host/boot_policy.hpp"

namespace gpuctl {
namespace {

using Json = nlohmann::json;

Json edits_json(const FileEdits& edits) { return Json::parse(to_json(ApplyRequest{edits, {}})).at("edits"); }

FileEdits edits_from(const Json& json) {
  return apply_request(Json{{"edits", json}, {"tools", Json::array()}}.dump()).edits;
}

Json json_of(const PinnedFunction& f) {
  return {{"address", f.address.str()},
          {"vendor", f.id.vendor},
          {"device", f.id.device},
          {"subsystem_vendor", f.id.subsystem_vendor},
          {"subsystem_device", f.id.subsystem_device},
          {"class", f.id.class_code}};
}

PciAddress address_of(const Json& json) {
  const auto address = PciAddress::parse(json.get<std::string>());
  if (!address)
    throw Error(ErrorCode::internal, fmt::format("boot policy: not a PCI address: {}", json.dump()));
  return *address;
}

PinnedFunction function_of(const Json& json) {
  return {address_of(json.at("address")),
          {json_number<std::uint16_t>(json.at("vendor")), json_number<std::uint16_t>(json.at("device")),
           json_number<std::uint16_t>(json.at("subsystem_vendor")),
           json_number<std::uint16_t>(json.at("subsystem_device")),
           json_number<std::uint32_t>(json.at("class"))}};
}

PolicyState state_of(const Json& json) {
  for (const auto state :
       {PolicyState::pending, PolicyState::trial, PolicyState::confirmed, PolicyState::reverted})
    if (json == to_string(state)) return state;
  throw Error(ErrorCode::internal, fmt::format("boot policy: not a state: {}", json.dump()));
}

BootSide side_of(const Json& json) {
  const auto side = boot_side(json.get<std::string>());
  if (!side) throw Error(ErrorCode::internal, fmt::format("boot policy: not a side: {}", json.dump()));
  return *side;
}

BootPolicy policy_of(const Json& json) {
  BootPolicy policy{address_of(json.at("gpu")),
                    side_of(json.at("side")),
                    state_of(json.at("state")),
                    {},
                    json.at("boot"),
                    side_of(json.at("last")),
                    json.at("late"),
                    edits_from(json.at("migrated")),
                    json.value("initramfs_behind", false)};
  for (const auto& function : json.at("functions")) policy.functions.push_back(function_of(function));
  return policy;
}

}  // namespace

std::string to_json(const BootPolicies& policies) {
  Json list = Json::array();
  for (const auto& p : policies) {
    Json functions = Json::array();
    for (const auto& f : p.functions) functions.push_back(json_of(f));
    list.push_back({{"gpu", p.gpu.str()},
                    {"side", to_string(p.side)},
                    {"state", to_string(p.state)},
                    {"functions", functions},
                    {"boot", p.boot},
                    {"last", to_string(p.last)},
                    {"late", p.late},
                    {"migrated", edits_json(p.migrated)},
                    {"initramfs_behind", p.initramfs_behind}});
  }
  return Json{{"format", 1}, {"policies", list}}.dump(1) + "\n";
}

BootPolicies boot_policies(std::string_view text) try {
  const auto json = Json::parse(text);
  BootPolicies policies;
  for (const auto& policy : json.at("policies")) policies.push_back(policy_of(policy));
  return policies;
} catch (const Json::exception& e) {
  throw Error(ErrorCode::internal, fmt::format("boot policy: {}", e.what()));
}

}  // namespace gpuctl
