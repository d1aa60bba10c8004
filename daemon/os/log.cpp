// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/log.hpp"

#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

// The fields say where in the work it was; where in the source helps nobody who reads a journal.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include <cstdlib>

#include <fmt/format.h>

#include "core/quoted.hpp"

namespace gpuctl {
namespace {

LogPriority least_important = LogPriority::info;  // set once, at start

bool to_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  return stream != nullptr && is_journal_stream(stream, STDERR_FILENO);
}

bool send(const std::vector<std::string>& entry) {
  std::vector<iovec> parts;
  for (const auto& field : entry) parts.push_back({const_cast<char*>(field.data()), field.size()});
  return ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) == 0;
}

void write_line(const std::string& line) {
  (void)!::write(STDERR_FILENO, line.data(), line.size());  // there is nobody to tell that this failed
}

}  // namespace

bool is_journal_stream(std::string_view stream, int fd) {
  struct stat file {};
  return ::fstat(fd, &file) == 0 && stream == fmt::format("{}:{}", file.st_dev, file.st_ino);
}

std::vector<std::string> journal_entry(const LogEvent& event, std::string_view message,
                                       const LogFields& fields) {
  std::vector<std::string> entry{"MESSAGE=" + escaped(message),
                                 fmt::format("PRIORITY={}", static_cast<int>(event.priority)),
                                 "SYSLOG_IDENTIFIER=gpuctld"};
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) entry.push_back(fmt::format("{}={}", name, escaped(value)));
  };
  add("MESSAGE_ID", event.message_id);
  add("GPU", fields.gpu);
  add("VM", fields.vm);
  add("STEP", fields.step);
  add("ERROR", fields.error);
  if (fields.operation) entry.push_back(fmt::format("OPERATION={}", *fields.operation));
  if (fields.caller) entry.push_back(fmt::format("CALLER_UID={}", *fields.caller));
  return entry;
}

std::string log_line(const LogEvent& event, std::string_view message, bool terminal) {
  const auto text = escaped(message);
  return terminal ? fmt::format("gpuctld: {}\n", text)
                  : fmt::format("<{}>{}\n", static_cast<int>(event.priority), text);
}

void set_log_priority(LogPriority least) { least_important = least; }

void log(const LogEvent& event, std::string_view message, const LogFields& fields) noexcept try {
  if (event.priority > least_important) return;
  if (to_journal() && send(journal_entry(event, message, fields))) return;
  write_line(log_line(event, message, ::isatty(STDERR_FILENO) == 1));
} catch (...) {
  // Without memory for a message there is none.
}

}  // namespace gpuctl
