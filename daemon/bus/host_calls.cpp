// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/host_calls.hpp"

#include <nlohmann/json.hpp>

#include "bus/gpu_calls.hpp"
#include "inventory/find_gpu.hpp"
#include "operations/host_queries.hpp"

namespace gpuctl {
namespace {

using Json = nlohmann::json;

sdbus::Variant variant(const std::string& key, const Json& value);

wire::Dict dict(const Json& object) {
  wire::Dict result;
  for (const auto& [key, value] : object.items()) result.emplace(key, variant(key, value));
  return result;
}

std::vector<wire::Dict> dicts(const Json& array) {
  std::vector<wire::Dict> result;
  for (const auto& item : array) result.push_back(dict(item));
  return result;
}

/// A worker's answer as D-Bus values. Empty arrays have no type of their own: only problems are dictionaries.
sdbus::Variant variant(const std::string& key, const Json& value) {
  if (value.is_boolean()) return sdbus::Variant{value.get<bool>()};
  if (value.is_number_unsigned() || value.is_number_integer()) return sdbus::Variant{value.get<std::uint32_t>()};
  if (key == "problems") return sdbus::Variant{dicts(value)};
  if (value.is_array()) return sdbus::Variant{value.get<std::vector<std::string>>()};
  return sdbus::Variant{value.get<std::string>()};
}

}  // namespace

void HostCalls::ask(const char* what, std::uint32_t uid, Queries::Body body, Reply<std::vector<wire::Dict>> reply) {
  queries_.ask(what, uid, std::move(body), [reply](std::variant<std::string, Error> result) {
    answer(reply, [&] {
      if (const auto* error = std::get_if<Error>(&result)) throw *error;
      reply.value(dicts(Json::parse(std::get<std::string>(result))));
    });
  });
}

void HostCalls::list_users(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply, std::string gpu) {
  answer(reply, [&] {
    wire::require_plain("the GPU argument", gpu);
    const auto uid = current_caller(object).uid;
    const auto functions = find_gpu(inventory_.snapshot(), gpu).functions;
    ask("users", uid, [functions, uid, platform = platform_] { return users_of(functions, uid, platform); }, reply);
  });
}

void HostCalls::list_vms(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply) {
  answer(reply, [&] {
    ask("libvirt", current_caller(object).uid,
        [snapshot = inventory_.snapshot(), platform = platform_] { return virtual_machines(snapshot, platform); }, reply);
  });
}

void HostCalls::diagnose(const sdbus::IObject& object, Reply<std::vector<wire::Dict>> reply) {
  answer(reply, [&] {
    const auto uid = current_caller(object).uid;
    ask("doctor", uid, [uid, snapshot = inventory_.snapshot(), platform = platform_] {
          return diagnosis(snapshot, uid, platform);
        }, reply);
  });
}

}  // namespace gpuctl
