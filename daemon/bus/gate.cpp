// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/gate.hpp"

#include <fmt/format.h>

namespace gpuctl {
namespace {

Error refusal(Verdict verdict, const std::string& action) {
  switch (verdict) {
    case Verdict::challenge:
      return {ErrorCode::not_authorized,
              fmt::format(
                  "{} needs authentication, and nobody could be asked for it; run it on a terminal or in a "
                  "desktop session, or let an administrator add a polkit rule",
                  action)};
    case Verdict::over_limit:
      return {ErrorCode::limits_exceeded,
              "too many requests of this user wait for authorization; try again later"};
    case Verdict::no_answer:
      return {ErrorCode::not_authorized,
              fmt::format("polkit has given no answer about {}, so nothing was done; try again, and look at "
                          "systemctl status polkit",
                          action)};
    default:
      return {ErrorCode::not_authorized,
              fmt::format("not authorized for {}; an administrator can allow it with a polkit rule", action)};
  }
}

}  // namespace

void Gate::pass(Passage passage, std::function<void()> allowed, std::function<void(const Error&)> refused) {
  if (passage.actions.empty()) return allowed();
  for (const auto* key : {"gpu", "name", "vm", "driver"}) passage.details.try_emplace(key);
  const auto action = passage.actions.front();
  AuthorizationRequest request{passage.caller, action, passage.details, passage.interactive && may_ask_,
                               passage.patience};
  passage.actions.erase(passage.actions.begin());
  authorizer_.check(std::move(request),
                    [this, action, rest = std::move(passage), allowed = std::move(allowed),
                     refused = std::move(refused)](Verdict verdict) {
                      if (verdict != Verdict::allowed) return refused(refusal(verdict, action));
                      pass(rest, allowed, refused);
                    });
}

}  // namespace gpuctl
