// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "bus/wire.hpp"

/// The a{sv} options of one call, read strictly.
namespace gpuctl {

/// The option's value, nothing if it is not given. Throws Error(invalid_argument) for another type.
template <class Value>
std::optional<Value> find_option(const wire::Dict& options, const std::string& key, const char* type) {
  const auto it = options.find(key);
  if (it == options.end()) return std::nullopt;
  if (!it->second.containsValueOfType<Value>())
    throw Error(ErrorCode::invalid_argument, fmt::format("option {} takes a {}", key, type));
  return it->second.get<Value>();
}

bool flag(const wire::Dict& options, const std::string& key, bool otherwise);

/// Throws Error(invalid_argument) naming the first key that is not in `known`.
void require_known(const wire::Dict& options, std::initializer_list<std::string_view> known);

}  // namespace gpuctl
