// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/assignments.hpp"

#include <nlohmann/json.hpp>

namespace gpuctl {
namespace {

using Json = nlohmann::json;

std::string file_of(PciSlot gpu) { return gpu.str() + ".json"; }

Json to_json(const Assignment& a) {
  auto functions = Json::array();
  for (const auto f : a.functions) functions.push_back(f.str());
  return {{"gpu", a.gpu.str()},   {"functions", functions}, {"vm_uuid", a.vm_uuid},
          {"vm_name", a.vm_name}, {"uid", a.uid},           {"since", a.since},
          {"keep", a.keep},       {"running", a.running},   {"lease_only", a.lease_only}};
}

std::optional<Assignment> from_json(const Json& json) {
  try {
    Assignment a{PciSlot::parse(json.at("gpu").get<std::string>()).value(),
                 {},
                 json.at("vm_uuid"),
                 json.at("vm_name"),
                 json.at("uid"),
                 json.at("since"),
                 json.at("keep"),
                 json.at("running"),
                 json.at("lease_only")};
    for (const auto& f : json.at("functions"))
      a.functions.push_back(PciAddress::parse(f.get<std::string>()).value());
    return a;
  } catch (const std::exception&) {  // not what to_json made
    return std::nullopt;
  }
}

}  // namespace

void Assignments::save(const Assignment& assignment) {
  dir_.replace(file_of(assignment.gpu),
               to_json(assignment).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Assignments::remove(PciSlot gpu) { dir_.remove(file_of(gpu)); }

std::optional<Assignment> Assignments::find(PciSlot gpu) const {
  const auto text = dir_.read(file_of(gpu));
  if (!text) return std::nullopt;
  const auto json = Json::parse(*text, nullptr, false);
  const auto found = json.is_discarded() ? std::nullopt : from_json(json);
  return found && found->gpu == gpu ? found : std::nullopt;
}

std::map<PciSlot, Assignment> Assignments::all() const {
  std::map<PciSlot, Assignment> result;
  for (const auto& name : dir_.list()) {
    const auto slot = PciSlot::parse(name.substr(0, name.rfind('.')));
    if (const auto found = slot ? find(*slot) : std::nullopt) result.emplace(*slot, *found);
  }
  return result;
}

}  // namespace gpuctl
