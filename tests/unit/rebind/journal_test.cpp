// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/journal.hpp"

#include <unistd.h>

#include <fstream>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "rebind/recovery.hpp"
#include "rebind/saved_bindings.hpp"
#include "world.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

constexpr auto boot = "6f1f2d6e-0000-4000-8000-000000000001";
constexpr auto slot_name = "0000:01:00";

/// A journal as an attach leaves it that was killed in the middle.
struct Interrupted {
  World world{reference_laptop};
  std::string text;
  Interrupted() {
    world.kernel.faults().at(25, {FaultKind::crash_before});
    CHECK_THROWS_AS(world.run(world.attach()), Crash);
    text = world.journal_dir.read(slot_name).value_or("");
    REQUIRE_FALSE(text.empty());
  }
};

bool touched_a_device(const World& world, std::size_t from) {
  const auto& seen = world.kernel.faults().seen();
  for (auto i = from; i < seen.size(); ++i)
    if (seen[i].find("state") == std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("a journal reads back what was begun and done, and by whom") {
  const Interrupted it;
  const auto contents = parse_journal(it.text);
  REQUIRE(contents);
  CHECK(contents->header.operation == "attach");
  CHECK(contents->header.plan == World{reference_laptop}.attach().plan);
  CHECK(contents->header.home.functions == it.world.home.functions);
  CHECK(contents->header.helper == ProcessId{::getpid(), 777});
  CHECK(contents->header.started_by == 1000);
  CHECK_FALSE(contents->begun.empty());
  CHECK(contents->done.size() + 1 >= contents->begun.size());
  CHECK_FALSE(contents->rolling_back);
}

TEST_CASE("one GPU's journal is found without touching the others") {
  Interrupted it;
  it.world.journal_dir.StateDir::replace("0000:02:00", "half a li");
  const auto found = it.world.journals.find({0, 1, 0}, boot);
  REQUIRE(found);
  CHECK(*found == *parse_journal(it.text));
  CHECK_FALSE(it.world.journals.find({0, 2, 0}, boot));
  CHECK_FALSE(it.world.journals.find({0, 1, 0}, "another boot"));
  CHECK(it.world.journal_dir.list().size() == 2);
}

TEST_CASE("a journal cut off inside a line is not acted on; cut between lines it is an earlier one") {
  const Interrupted it;
  for (std::size_t length = 0; length < it.text.size(); ++length) {
    const bool between_lines = length > 0 && it.text[length - 1] == '\n';
    CHECK_MESSAGE(parse_journal(it.text.substr(0, length)).has_value() == between_lines, length);
  }
}

TEST_CASE("no single flipped bit of a journal goes unnoticed") {
  const Interrupted it;
  std::size_t unnoticed = 0;
  auto text = it.text;
  for (std::size_t i = 0; i < text.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      text[i] = static_cast<char>(text[i] ^ (1 << bit));
      if (parse_journal(text)) ++unnoticed;
      text[i] = static_cast<char>(text[i] ^ (1 << bit));
    }
  CHECK(unnoticed == 0);
}

TEST_CASE("lines that are missing, doubled or in another order are noticed") {
  const Interrupted it;
  const auto first = it.text.find('\n') + 1;
  const auto second = it.text.find('\n', first) + 1;
  const auto third = it.text.find('\n', second) + 1;
  const auto line = [&](std::size_t a, std::size_t b) { return it.text.substr(a, b - a); };
  CHECK(parse_journal(line(0, first) + line(first, second) + line(second, third)));
  CHECK_FALSE(parse_journal(line(0, first) + line(second, third)));
  CHECK_FALSE(parse_journal(line(0, first) + line(first, second) + line(first, second)));
  CHECK_FALSE(parse_journal(line(first, second)));
  CHECK_FALSE(parse_journal(line(0, first) + line(0, first)));
  CHECK_FALSE(parse_journal(checked_line("{}")));
  CHECK_FALSE(parse_journal(checked_line(R"({"n":0,"header":[]})")));
  CHECK_FALSE(parse_journal(line(0, first) + checked_line(R"({"n":1,"begin":100000})")));
  CHECK_FALSE(parse_journal(line(0, first) + checked_line(R"({"n":1,"begin":-1})")));
}

TEST_CASE("garbage is moved aside and reported, and no device is touched") {
  Interrupted it;
  const auto before = it.world.kernel.faults().seen().size();
  it.world.journal_dir.StateDir::replace(slot_name, it.text.substr(0, it.text.size() - 3));
  const auto loaded = it.world.journals.load(boot);
  CHECK(loaded.unfinished.empty());
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].id == "journal-corrupt");
  CHECK(loaded.problems[0].subject.ends_with("/0000:01:00.corrupt"));
  CHECK(it.world.recover().empty());
  CHECK_FALSE(touched_a_device(it.world, before));
  it.world.journal_dir.StateDir::replace(slot_name, "again");
  CHECK(it.world.journals.load(boot).problems[0].subject.ends_with("/0000:01:00.corrupt.2"));
  CHECK(it.world.journals.load(boot).problems.empty());
}

TEST_CASE("of a damaged journal the first line still tells which device files were going to be closed") {
  Interrupted it;
  const auto damaged = it.text.substr(0, it.text.size() - 3);
  const auto headers = [&](const std::string& text, const char* now) {
    it.world.journal_dir.StateDir::replace(slot_name, text);
    return it.world.journals.load(now).headers;
  };
  const auto found = headers(damaged, boot);
  REQUIRE(found.size() == 1);
  CHECK(found[0] == parse_journal(it.text)->header);
  CHECK(headers(damaged, "another boot").empty());
  CHECK(headers(damaged.substr(1), boot).empty());
  CHECK(headers("", boot).empty());
  JournalHeader header;
  const Step close{StepKind::close_nodes, "0000:01:00.0", "", "/dev/nvidia0 195:0 0666"};
  header.plan = {close, {StepKind::unbind, "0000:01:00.0", "nvidia", ""}};
  CHECK(reopening(header) == Plan{*inverse(close)});
}

TEST_CASE("a journal under another GPU's name is garbage") {
  Interrupted it;
  it.world.journal_dir.StateDir::replace("0000:02:00", it.text);
  it.world.journal_dir.StateDir::remove(slot_name);
  CHECK(it.world.journals.load(boot).problems.size() == 1);
}

TEST_CASE("a journal of another boot is dropped: the kernel has forgotten what it speaks of") {
  Interrupted it;
  const auto loaded = it.world.journals.load("6f1f2d6e-0000-4000-8000-000000000002");
  CHECK(loaded.unfinished.empty());
  CHECK(loaded.problems.empty());
  CHECK(it.world.journal_empty());
}

TEST_CASE("a state directory that cannot be written says which file and why") {
  World world{reference_laptop};
  StateDir dir{world.machine.root() / "proc/cmdline/journal"};
  try {
    dir.replace("x", "y");
    FAIL("a file below a file");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::state_unwritable);
    CHECK(std::string(e.what()).find("proc/cmdline/journal/x") != std::string::npos);
  }
  CHECK(dir.list().empty());
  CHECK_THROWS_AS(StateDir{world.machine.root() / "run"}.append("absent", "line"), Error);
}

TEST_CASE("what a killed process had not finished writing is taken away, of one GPU or of all") {
  World world{reference_laptop};
  StateDir dir{world.machine.root() / "run/unfinished"};
  for (const auto* name : {"0000:01:00", ".0000:01:00.aXb3Yz", ".0000:02:00.aXb3Yz"}) dir.replace(name, "y");
  dir.remove_unfinished("0000:01:00");
  CHECK(dir.read("0000:01:00"));
  CHECK_FALSE(dir.read(".0000:01:00.aXb3Yz"));
  CHECK(dir.read(".0000:02:00.aXb3Yz"));
  dir.remove_unfinished();
  CHECK(dir.read("0000:01:00"));
  CHECK_FALSE(dir.read(".0000:02:00.aXb3Yz"));
}

TEST_CASE("a record of where a GPU belongs survives until it is removed, or the machine boots again") {
  World world{reference_laptop};
  const PciSlot slot{0, 1, 0};
  CHECK_FALSE(world.bindings.find(slot));
  world.bindings.save(world.home);
  auto saved = world.bindings.find(slot);
  REQUIRE(saved);
  CHECK(saved->boot_id == boot);
  CHECK(saved->functions == world.home.functions);
  SavedBindings after_boot{world.bindings_dir, "another"};
  CHECK_FALSE(after_boot.find(slot));
  CHECK(world.bindings.load().bindings.size() == 1);
  CHECK(after_boot.load().bindings.empty());
  CHECK_FALSE(world.bindings.find(slot));
}

TEST_CASE("no flipped bit and no cut of a record goes unnoticed") {
  World world{reference_laptop};
  const PciSlot slot{0, 1, 0};
  world.bindings.save(world.home);
  const auto text = *world.bindings_dir.read(slot.str());
  std::size_t unnoticed = 0;
  const auto found = [&](const std::string& changed) {
    std::ofstream{world.bindings_dir.path() / slot.str(), std::ios::trunc} << changed;
    return world.bindings.find(slot).has_value();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    unnoticed += found(flipped) ? 1 : 0;
    unnoticed += found(text.substr(0, i)) ? 1 : 0;
  }
  CHECK(unnoticed == 0);
  CHECK(found(text));
  found("garbage");
  const auto loaded = world.bindings.load();
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].id == "record-corrupt");
}
