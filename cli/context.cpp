// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/context.hpp"

#include "cli/error_text.hpp"

namespace gpuctl::cli {

Client& Context::client() {
  if (!client_) client_ = surroundings_.connect(host_);
  return *client_;
}

Client& Context::reconnect() {
  client_ = surroundings_.connect(host_);
  return *client_;
}

bool Context::may_start_agent() const {
  return surroundings_.person_present && !surroundings_.root && !console.json() && !remote() &&
         surroundings_.start_agent;
}

bool Context::wants_password(const Failure& failure) { return short_name(failure.name()) == "NotAuthorized"; }

}  // namespace gpuctl::cli
