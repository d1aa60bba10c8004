// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>

#include "operations/operation_list.hpp"
#include "operations/request.hpp"

namespace gpuctl {

/// A GPU on its way home without anybody's call: a domain has ended, or a policy says so.
bool is_return(const Operation& operation);

/// Releases that meet a return of the same GPU. Both want the same: they wait for its end, but never longer
/// than the patience, instead of being refused.
class ReturnWaits {
 public:
  static constexpr std::size_t max_per_uid = 8;
  static constexpr std::size_t max_in_all = 32;

  ReturnWaits(EventLoop& loop, OperationList& operations, std::chrono::milliseconds patience);

  /// Whether this resolved request has one to wait for.
  bool concern(const Request& request) const;
  /// Calls `then` at once, or when the return that concerns the request has ended or taken too long: who must
  /// be alone with the GPU looks again. Throws Error(limits_exceeded).
  void pass(const Request& request, std::uint32_t uid, std::function<void()> then);

 private:
  struct Wait {
    unsigned operation{};
    std::uint32_t uid{};
    std::function<void()> then;
    EventLoop::Source deadline;
  };
  const Operation* met_by(const Request& request) const;
  void require_room(std::uint32_t uid) const;
  void ended(unsigned operation);
  void proceed(unsigned wait);

  EventLoop& loop_;
  OperationList& operations_;
  std::chrono::milliseconds patience_;
  std::map<unsigned, Wait> waits_;
  unsigned next_{1};
};

}  // namespace gpuctl
