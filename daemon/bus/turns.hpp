// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "sdbus_compat.hpp"

struct sd_bus;
struct sd_bus_slot;

namespace gpuctl {

/// Method calls by turns: what comes while a slice of time is used up waits, and of those who wait each has
/// one call after the other. Who sends many keeps himself waiting, not others; the order of a caller's own
/// calls stays as it is. Few and small calls wait, so that nobody fills the memory: of large ones each caller
/// has one in a slice and one that waits (that of who sends them one after the other), few of all callers
/// wait, and where no room is left who has the most is refused.
class Turns {
 public:
  static constexpr std::chrono::milliseconds slice{2};
  static constexpr std::size_t most_waiting = 512;
  static constexpr std::size_t most_bytes = 4096;  ///< of path and arguments of a small call
  static constexpr std::size_t most_large = 4;     ///< that wait
  static constexpr std::size_t most_large_bytes = 2 << 20;

  explicit Turns(sdbus::IConnection& connection);
  ~Turns();
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  /// A slice begins, with a call that waits if there is one.
  void begin();
  /// Has sd-bus handle the next call that waits; false when none does, or the slice is used up.
  bool next();
  bool any_waits() const { return count_ != 0; }

  /// For sd-bus: whether this message is taken out of its hands for now.
  bool takes(sd_bus_message* message);

 private:
  struct Free {
    void operator()(sd_bus_message* message) const noexcept;
    void operator()(sd_bus_slot* slot) const noexcept;
  };
  using Message = std::unique_ptr<sd_bus_message, Free>;
  using Clock = std::chrono::steady_clock;
  static bool refuse(sd_bus_message* message);
  bool make_room(const std::string& caller);
  bool wait(const std::string& caller, sd_bus_message* message);
  bool wait_as_large(const std::string& caller, sd_bus_message* message);
  Message take_next();
  Message drop(const std::string& caller, Message& waiting);
  bool give();
  bool waits(const std::string& caller) const;
  bool is_large(const std::string& caller, const Message& waiting) const;

  dbus::Underneath underneath_;
  sd_bus* bus_;
  std::unique_ptr<sd_bus_slot, Free> filter_;
  std::map<std::string, std::deque<Message>> waiting_;  ///< by caller; none is empty
  std::set<std::string> had_large_;                     ///< in this slice
  std::map<std::string, sd_bus_message*> large_;        ///< those that wait, by caller
  std::size_t count_{};
  std::string last_;         ///< who had a turn
  sd_bus_message* given_{};  ///< back to sd-bus, and not yet seen again
  Clock::time_point end_{};
};

}  // namespace gpuctl
