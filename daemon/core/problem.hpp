// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace gpuctl {

/// `ok` is used by the doctor's findings only.
enum class Severity { blocker, warning, info, ok };

constexpr std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::blocker:
      return "blocker";
    case Severity::warning:
      return "warning";
    case Severity::info:
      return "info";
    case Severity::ok:
      return "ok";
  }
  return "info";
}

/// One reason why a request would be refused, or a warning.
struct Problem {
  std::string id;  ///< stable, kebab-case: scripts match on it
  Severity severity{Severity::blocker};
  std::string subject;  ///< PCI address, VM name, unit, file: what it is about
  std::string message;  ///< one sentence: what, and why
  std::string remedy;   ///< what the person can do about it; may be empty for info and ok
  bool operator==(const Problem&) const = default;
};

using Problems = std::vector<Problem>;

inline bool is_blocked(const Problems& problems) {
  return std::ranges::any_of(problems, [](const Problem& p) { return p.severity == Severity::blocker; });
}

}  // namespace gpuctl
