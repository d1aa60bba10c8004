// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bus/authorizer.hpp"
#include "core/error.hpp"

namespace gpuctl {

/// What a guarded request asks of polkit.
struct Passage {
  BusCaller caller;
  std::vector<std::string> actions;            ///< all of them must be granted
  std::map<std::string, std::string> details;  ///< gpu, name, vm, driver; what is missing is passed as ""
  bool interactive{true};
  std::optional<std::chrono::milliseconds> patience{};  ///< with each answer; see AuthorizationRequest
};

/// The one way to whatever changes something. Default deny: `allowed` runs only after a yes to every action;
/// otherwise `refused` hears why.
class Gate {
 public:
  /// `may_ask`: whether polkit may ask a person at all ([polkit] interactive).
  explicit Gate(Authorizer& authorizer, bool may_ask = true) : authorizer_(authorizer), may_ask_(may_ask) {}
  void pass(Passage passage, std::function<void()> allowed, std::function<void(const Error&)> refused);

 private:
  Authorizer& authorizer_;
  bool may_ask_;
};

}  // namespace gpuctl
