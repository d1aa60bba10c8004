// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace gpuctl {

/// How much may be in flight, so that nobody starves the others.
struct FairShare {
  std::size_t per_uid{}, in_all{};

  /// Whether `uid` may begin nothing more beside `in_flight`, a map whose values `uid_of` tells the user of.
  template <class InFlight, class UidOf>
  bool is_used_up(std::uint32_t uid, const InFlight& in_flight, UidOf uid_of) const {
    const auto of_uid =
        std::ranges::count_if(in_flight, [&](const auto& entry) { return uid_of(entry.second) == uid; });
    return in_flight.size() >= in_all || static_cast<std::size_t>(of_uid) >= per_uid;
  }
  template <class InFlight>
  bool is_used_up(std::uint32_t uid, const InFlight& in_flight) const {
    return is_used_up(uid, in_flight, [](const auto& one) { return one.uid; });
  }
};

}  // namespace gpuctl
