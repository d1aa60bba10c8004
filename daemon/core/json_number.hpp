// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <concepts>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace gpuctl {

/// A whole number that T can hold. json.get<T>() makes something of any number, for a fraction by an
/// undefined conversion. Throws Error(internal).
template <std::integral T>
T json_number(const nlohmann::json& json) {
  if (json.is_number_unsigned() && std::in_range<T>(json.get<nlohmann::json::number_unsigned_t>()))
    return json.get<T>();
  if (json.is_number_integer() && std::in_range<T>(json.get<nlohmann::json::number_integer_t>()))
    return json.get<T>();
  throw Error(ErrorCode::internal, fmt::format("{} is not a number that fits", json.dump()));
}

}  // namespace gpuctl
