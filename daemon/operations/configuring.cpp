// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/configuring.hpp"

#include <fmt/format.h>

namespace gpuctl {

void Configuring::run(const std::string& what, std::uint32_t uid, Queries::Body body,
                      Queries::Answer answer) {
  if (!running_.empty())
    return loop_.defer([answer = std::move(answer), running = running_] {
      answer(Error{ErrorCode::busy,
                   fmt::format("gpuctld {} at the moment; try again when that has ended", running)});
    });
  running_ = what;
  queries_.ask("configuration", uid, std::move(body),
               [this, answer = std::move(answer)](std::variant<std::string, Error> result) {
                 running_.clear();
                 answer(std::move(result));
               });
}

}  // namespace gpuctl
