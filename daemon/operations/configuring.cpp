// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/configuring.hpp"

#include <utility>

#include <fmt/format.h>

namespace gpuctl {

void Configuring::run(Work work, Queries::Answer answer) {
  if (running_.empty()) return start(std::move(work), std::move(answer));
  if (!may_wait(work)) return refuse(std::move(answer));
  waiting_.push_back({std::move(work), std::move(answer)});
}

bool Configuring::may_wait(const Work& work) const {
  return (work.brief || running_is_brief_) && waiting_.size() < longest_line;
}

void Configuring::refuse(Queries::Answer answer) {
  loop_.defer([answer = std::move(answer), running = running_] {
    answer(Error{ErrorCode::busy,
                 fmt::format("gpuctld {} at the moment; try again when that has ended", running)});
  });
}

void Configuring::start(Work work, Queries::Answer answer) {
  running_ = std::move(work.what);
  running_is_brief_ = work.brief;
  told_();
  queries_.ask(
      "configuration", work.uid, std::move(work.body),
      [this, answer = std::move(answer)](std::variant<std::string, Error> result) {
        running_.clear();
        let_in();
        told_();
        answer(std::move(result));
      },
      work.brief ? std::chrono::milliseconds{brief_deadline} : std::chrono::milliseconds{deadline});
}

/// In the order in which they came; who may not wait for the one that is first now is told so.
void Configuring::let_in() {
  for (auto& next : std::exchange(waiting_, {})) run(std::move(next.work), std::move(next.answer));
}

}  // namespace gpuctl
