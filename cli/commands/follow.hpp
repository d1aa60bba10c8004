// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "cli/error_text.hpp"
#include "cli/output/json.hpp"

namespace gpuctl::cli {

/// Shows an operation's steps as they happen, and gives the operation at its end. Ctrl-C asks it to cancel, a
/// second Ctrl-C leaves it to itself (then it still runs in what is returned). Throws Failure if the daemon
/// goes away.
Operation follow(Context& context, const std::string& path);

/// The operation as a document of --json.
Json document_of(Context& context, const Operation& operation);

/// Prints how the operation ended; once there is one, whatever went wrong is a failed operation and no
/// refusal.
Exit report(Context& context, const Operation& operation);

/// What a step is about, for people: a virtual machine by its name, where that is known.
std::string subject(const Step& step, const std::string& vm);

/// The lines of an operation that is being followed: a line a step on its end, on a terminal also the running
/// one.
class Progress {
 public:
  explicit Progress(const Console& console) : console_(console) {}
  void update(const Operation& operation);
  /// Takes the line of the running step away.
  void clear();

 private:
  void show_end(const Step& step);
  void show_running(const Step& step);

  const Console& console_;
  std::vector<Step> shown_;
  std::string vm_;
  bool live_{};
};

}  // namespace gpuctl::cli
