// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace gpuctl {

/// Who asks, as the bus says - never as the message's contents say.
struct BusCaller {
  std::string bus_name;  ///< unique name, ":1.42"
  std::uint32_t uid{};
};

struct AuthorizationRequest {
  BusCaller caller;
  std::string action;                                   ///< polkit action id
  std::map<std::string, std::string> details;           ///< for rules and prompts: gpu, name, vm, driver
  bool interactive{true};                               ///< may polkit ask the person?
  std::optional<std::chrono::milliseconds> patience{};  ///< for the answer, where it is not worth the usual
};

enum class Verdict {
  allowed,
  denied,      ///< said no, or the caller has gone
  no_answer,   ///< polkit failed, or not in time: no as well, but no rule would help
  challenge,   ///< somebody would have to type a password, and nobody can or may be asked
  over_limit,  ///< too many checks of this caller, or in all, are in flight
};

/// Asks whether a caller may do something. Answers later, on the event loop, exactly once; everything that is
/// not a clear yes is a no.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual void check(AuthorizationRequest request, std::function<void(Verdict)> answer) = 0;
};

}  // namespace gpuctl
