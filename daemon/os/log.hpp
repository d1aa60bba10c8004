// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/log_events.hpp"

namespace gpuctl {

/// Journal fields besides the text: `journalctl GPU=0000:01:00` finds all that happened to one card.
struct LogFields {
  std::string gpu{};  ///< slot or address
  std::string vm{};
  std::optional<unsigned> operation{};
  std::optional<std::uint32_t> caller{};  ///< uid of who asked
  std::string step{};
  std::string error{};  ///< name without prefix: "Busy"
};

/// To the journal with its fields, or, when standard error does not lead to the journal, as a line there
/// (with "<N>" in front unless it is a terminal). Control characters and bytes that are no text are escaped,
/// so that nobody can forge a line. Never throws, never blocks for long.
void log(const LogEvent& event, std::string_view message, const LogFields& fields = {}) noexcept;

/// Less important messages than this are dropped. LogPriority::info unless told.
void set_log_priority(LogPriority least);

/// What goes to the journal: "MESSAGE=...", "PRIORITY=5", ...
std::vector<std::string> journal_entry(const LogEvent& event, std::string_view message,
                                       const LogFields& fields);
/// "<5>message\n"
std::string log_line(const LogEvent& event, std::string_view message, bool terminal);
/// Whether `stream` (the value of JOURNAL_STREAM: "device:inode") is the file behind a descriptor.
bool is_journal_stream(std::string_view stream, int fd);

}  // namespace gpuctl
