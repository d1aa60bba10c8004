// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/query_reply.hpp"

#include <nlohmann/json.hpp>

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

std::vector<std::string> texts(const Json& array) {
  std::vector<std::string> result;
  for (const auto& item : array) result.push_back(wire::utf8(item.get<std::string>()));
  return result;
}

/// A worker's answer as D-Bus values. Empty arrays have no type of their own: only problems are dictionaries.
sdbus::Variant variant(const std::string& key, const Json& value) {
  if (value.is_boolean()) return sdbus::Variant{value.get<bool>()};
  if (value.is_number_unsigned() || value.is_number_integer())
    return sdbus::Variant{value.get<std::uint32_t>()};
  if (key == "problems") return sdbus::Variant{dicts(value)};
  if (value.is_array()) return sdbus::Variant{texts(value)};
  return sdbus::Variant{wire::utf8(value.get<std::string>())};
}

}  // namespace

Queries::Answer problems_to(Reply<std::vector<wire::Dict>> reply) {
  return [reply](std::variant<std::string, Error> result) {
    answer(reply, [&] {
      if (const auto* error = std::get_if<Error>(&result)) throw *error;
      reply.value(dicts(Json::parse(std::get<std::string>(result))));
    });
  };
}

Queries::Answer dict_to(Reply<wire::Dict> reply) {
  return [reply](std::variant<std::string, Error> result) {
    answer(reply, [&] {
      if (const auto* error = std::get_if<Error>(&result)) throw *error;
      reply.value(dict(Json::parse(std::get<std::string>(result))));
    });
  };
}

Queries::Answer text_to(Reply<std::string> reply) {
  return [reply](std::variant<std::string, Error> result) {
    if (const auto* error = std::get_if<Error>(&result)) return reply.error(*error);
    reply.value(wire::utf8(std::get<std::string>(result)));
  };
}

}  // namespace gpuctl
