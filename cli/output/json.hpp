// SPDX-License-Identifier: GPL-2.0-or-later
// Documents of --json: stable keys in snake_case, the words of the bus, null for what is not there.
#pragma once
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/output/console.hpp"
#include "cli/values.hpp"

namespace gpuctl::cli {

using Json = nlohmann::ordered_json;

Json json_of(const Function& function);
/// `groups`: of its functions, the display function's first.
Json json_of(const Gpu& gpu, const std::vector<const Group*>& groups);
Json json_of(const Group& group);
Json json_of(const Problem& problem);
Json json_of(const Step& step);
/// Its GPU is named by the address that `objects` tell.
Json json_of(const Operation& operation, const Objects& objects);
Json json_of(const User& user);
Json json_of(const Vm& vm);

template <class Value>
Json json_list(const std::vector<Value>& values) {
  auto list = Json::array();
  for (const auto& value : values) list.push_back(json_of(value));
  return list;
}

/// null for "".
Json json_text(const std::string& text);
void print_json(const Console& console, const Json& document);

}  // namespace gpuctl::cli
