// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.hpp"

namespace gpuctl {

/// Of several things the later ones are done as well when one fails.
class Attempts {
 public:
  template <typename Function>
  void operator()(Function&& function) try {
    function();
  } catch (const Error& e) {
    failures_.emplace_back(e.what());
  }
  /// Throws Error(state_unwritable) with a line for each that has failed, if any.
  void tell() const {
    if (!failures_.empty())
      throw Error(ErrorCode::state_unwritable, fmt::format("{}", fmt::join(failures_, "\n")));
  }

 private:
  std::vector<std::string> failures_;
};

}  // namespace gpuctl
