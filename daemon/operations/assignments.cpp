// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/assignments.hpp"

#include <nlohmann/json.hpp>

#include "core/json_number.hpp"

namespace gpuctl {
namespace {

using Json = nlohmann::json;

std::string file_of(PciSlot gpu) { return gpu.str() + ".json"; }

Json to_json(const Assignment& a) {
  auto functions = Json::array(), displaced = Json::array();
  for (const auto f : a.functions) functions.push_back(f.str());
  for (const auto& other : a.displaced) displaced.push_back(to_json(other));
  return {{"gpu", a.gpu.str()},
          {"functions", functions},
          {"vm_uuid", a.vm_uuid},
          {"vm_name", a.vm_name},
          {"uid", a.uid},
          {"since", a.since},
          {"keep", a.keep},
          {"running", a.running},
          {"returning", a.returning},
          {"lease_only", a.lease_only},
          {"displaced", displaced},
          {"unsettled", a.unsettled},
          {"forced", a.forced},
          {"boot_id", a.boot_id}};
}

/// Throws what nlohmann and optional throw.
Assignment from_json(const Json& json) {
  Assignment a{PciSlot::parse(json.at("gpu").get<std::string>()).value(),
               {},
               json.at("vm_uuid"),
               json.at("vm_name"),
               json_number<std::uint32_t>(json.at("uid")),
               json_number<std::int64_t>(json.at("since")),
               json.at("keep"),
               json.at("running"),
               json.value("returning", false),
               json.at("lease_only")};
  for (const auto& f : json.at("functions"))
    a.functions.push_back(PciAddress::parse(f.get<std::string>()).value());
  a.unsettled = json.value("unsettled", false);
  a.forced = json.value("forced", false);
  a.boot_id = json.value("boot_id", "");
  for (const auto& other : json.value("displaced", Json::array())) a.displaced.push_back(from_json(other));
  return a;
}

}  // namespace

void Assignments::save(const Assignment& assignment) {
  auto json = to_json(assignment);
  if (!boot_id_.empty()) json["boot_id"] = boot_id_;
  dir_.replace(file_of(assignment.gpu), json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Assignments::remove(PciSlot gpu) { dir_.remove(file_of(gpu)); }

void Assignments::settle(const Assignment& assignment) {
  if (assignment.lease_only) return take_back(assignment);
  auto rests = assignment;
  rests.running = rests.returning = rests.unsettled = false;
  rests.displaced.clear();
  if (rests != assignment) save(rests);
}

void Assignments::confirm(PciSlot gpu) {
  auto assignment = find(gpu);
  if (!assignment || !assignment->unsettled) return;
  assignment->unsettled = false;
  assignment->displaced.clear();
  save(*assignment);
}

void Assignments::take_back(const Assignment& assignment) {
  assignment.displaced.empty() ? remove(assignment.gpu) : save(assignment.displaced.front());
}

std::optional<Assignment> Assignments::find(PciSlot gpu) const try {
  const auto text = dir_.read(file_of(gpu));
  if (!text) return std::nullopt;
  auto found = from_json(Json::parse(*text));
  return found.gpu == gpu ? std::optional{std::move(found)} : std::nullopt;
} catch (const std::exception&) {  // not what to_json made
  return std::nullopt;
}

bool Assignments::is_of_another_boot(const Assignment& assignment) const {
  return !assignment.boot_id.empty() && assignment.boot_id != boot_id_;
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
