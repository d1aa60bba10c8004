// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/last_number.hpp"

#include "core/error.hpp"
#include "core/whole_number.hpp"
#include "os/log.hpp"

namespace gpuctl {
namespace {

constexpr auto file = "last";

}  // namespace

OperationNumbers LastNumber::numbers() {
  dir_.remove_unfinished();
  return {read(), [this](unsigned number) { record(number); }};
}

unsigned LastNumber::read() const {
  const auto line = dir_.read(file);
  const auto text = line ? checked_text(*line) : std::nullopt;
  return text ? whole_number(*text).value_or(0) : 0;
}

/// That it cannot be kept is no reason to refuse an operation.
void LastNumber::record(unsigned number) try {
  dir_.replace(file, checked_line(std::to_string(number)));
} catch (const Error& error) {
  log(events::warning, error.what());
}

}  // namespace gpuctl
