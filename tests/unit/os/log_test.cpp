// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "os/unique_fd.hpp"

using namespace gpuctl;

namespace {

bool has(const std::vector<std::string>& entry, const std::string& field) {
  return std::ranges::find(entry, field) != entry.end();
}

std::string catalog() {
  std::ifstream file{std::filesystem::path{TEST_DATA}.parent_path() / "systemd-units/gpuctl.catalog"};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// What log() writes to standard error.
std::string written(const LogEvent& event, std::string_view message) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const UniqueFd reader{ends[0]}, saved{::dup(STDERR_FILENO)};
  ::dup2(ends[1], STDERR_FILENO);
  ::close(ends[1]);
  log(event, message);
  ::dup2(saved.get(), STDERR_FILENO);
  char text[512];
  const auto size = ::read(reader.get(), text, sizeof text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string{};
}

}  // namespace

TEST_CASE("an entry has its text, priority, id and the fields that are known") {
  const auto entry = journal_entry(events::operation_started, "attach of 0000:01:00",
                                   {.gpu = "0000:01:00", .vm = "win11", .operation = 7, .caller = 1000});
  CHECK(has(entry, "MESSAGE=attach of 0000:01:00"));
  CHECK(has(entry, "PRIORITY=6"));
  CHECK(has(entry, "MESSAGE_ID=" + std::string{events::operation_started.message_id}));
  CHECK(has(entry, "GPU=0000:01:00"));
  CHECK(has(entry, "VM=win11"));
  CHECK(has(entry, "OPERATION=7"));
  CHECK(has(entry, "CALLER_UID=1000"));
  CHECK(entry.size() == 8);
}

TEST_CASE("nobody can forge a line or a field by the name of a virtual machine") {
  const auto entry = journal_entry(events::info, "VM \"a\nb\" stopped", {.vm = "a\nPRIORITY=0\x1b"});
  CHECK(has(entry, "MESSAGE=VM \"a\\x0ab\" stopped"));
  CHECK(has(entry, "VM=a\\x0aPRIORITY=0\\x1b"));
  CHECK(log_line(events::error, "a\n<0>b", false) == "<3>a\\x0a<0>b\n");
}

TEST_CASE("without a journal a line goes to standard error, with its priority") {
  CHECK(written(events::warning, "mind this") == "<4>mind this\n");
  CHECK(written(events::debug, "detail").empty());
  set_log_priority(LogPriority::debug);
  CHECK(written(events::debug, "detail") == "<7>detail\n");
  set_log_priority(LogPriority::error);
  CHECK(written(events::warning, "mind this").empty());
  set_log_priority(LogPriority::info);
  CHECK(log_line(events::error, "x", true) == "gpuctld: x\n");
}

TEST_CASE("JOURNAL_STREAM counts only if it is the file that standard error is") {
  const UniqueFd file{::open("/dev/null", O_WRONLY)};
  struct stat is {};
  REQUIRE(::fstat(file.get(), &is) == 0);
  CHECK(is_journal_stream(fmt::format("{}:{}", is.st_dev, is.st_ino), file.get()));
  CHECK_FALSE(is_journal_stream(fmt::format("{}:{}", is.st_dev, is.st_ino + 1), file.get()));
  CHECK_FALSE(is_journal_stream("", file.get()));
  CHECK_FALSE(is_journal_stream("1:2", -1));
}

TEST_CASE("the catalog explains every event with an id, and no other") {
  const auto text = catalog();
  std::set<std::string_view> ids;
  for (const auto& event : events::catalogued) {
    CHECK(event.message_id.size() == 32);
    CHECK(event.message_id.find_first_not_of("0123456789abcdef") == std::string_view::npos);
    CHECK(ids.insert(event.message_id).second);
    CHECK_MESSAGE(text.find(fmt::format("\n-- {}\nSubject: ", event.message_id)) != std::string::npos,
                  event.message_id);
  }
  std::size_t entries = 0;
  for (auto at = text.find("\n-- "); at != std::string::npos; at = text.find("\n-- ", at + 1)) ++entries;
  CHECK(entries == ids.size());
}
