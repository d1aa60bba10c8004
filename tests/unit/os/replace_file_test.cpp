// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/replace_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "os/root_dir.hpp"
#include "support/fake_machine.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

struct Recorder : ReadRecorder {
  std::map<std::string, std::string> seen;
  void on_read(const std::string& path, const std::optional<std::string>& contents) override {
    seen[path] = contents.value_or("absent");
  }
  void on_link(const std::string& path, const std::optional<std::string>& target) override {
    seen[path] = target.value_or("absent");
  }
  void on_list(const std::string& path, const std::vector<std::string>& names) override {
    seen[path] = std::to_string(names.size());
  }
  void on_exists(const std::string& path, bool exists) override { seen[path] = exists ? "there" : "absent"; }
};

}  // namespace

TEST_CASE("a replaced file has the new contents, keeps its mode and leaves nothing beside it") {
  FakeMachine machine;
  machine.file("etc/default/grub", "old");
  const auto path = machine.root() / "etc/default/grub";
  ::chmod(path.c_str(), 0600);
  replace_file(path, "new\n");
  const RootDir root{machine.root()};
  CHECK(root.text("etc/default/grub") == "new");
  CHECK(root.list("etc/default") == std::vector<std::string>{"grub"});
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  CHECK((found.st_mode & 07777U) == 0600);
}

TEST_CASE("a file of another owner stays his, with its bits") {
  if (::geteuid() != 0) return;  // nobody else may give files away
  FakeMachine machine;
  machine.file("etc/file", "old");
  const auto path = machine.root() / "etc/file";
  REQUIRE(::chown(path.c_str(), 1234, 4321) == 0);
  REQUIRE(::chmod(path.c_str(), 02640) == 0);
  replace_file(path, "new\n");
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  CHECK(found.st_uid == 1234);
  CHECK(found.st_gid == 4321);
  CHECK((found.st_mode & 07777U) == 02640);
}

TEST_CASE("a new file gets its directories and the wanted mode") {
  const FakeMachine machine;
  replace_file(machine.root() / "var/lib/gpuctl/state.json", "{}", 0640);
  struct stat found {};
  REQUIRE(::stat((machine.root() / "var/lib/gpuctl/state.json").c_str(), &found) == 0);
  CHECK((found.st_mode & 07777U) == 0640);
  remove_file(machine.root() / "var/lib/gpuctl/state.json");
  remove_file(machine.root() / "var/lib/gpuctl/state.json");
  CHECK_FALSE(RootDir{machine.root()}.exists("var/lib/gpuctl/state.json"));
}

TEST_CASE("what cannot be written is told by path, and the old file stays") {
  FakeMachine machine;
  machine.file("etc/file", "text");
  CHECK_THROWS_WITH_AS(replace_file(machine.root() / "etc/file/below", "x"),
                       doctest::Contains("etc/file/below"), Error);
  CHECK(RootDir{machine.root()}.text("etc/file") == "text");
}

TEST_CASE("a recorder sees what was read and what was missing") {
  FakeMachine machine;
  machine.file("etc/a", "1\n").link("etc/b", "etc/a");
  Recorder recorder;
  RootDir root{machine.root()};
  root.record_to(&recorder);
  CHECK(root.text("etc/a") == "1");
  CHECK(root.link_name("etc/b") == "a");
  CHECK(root.list("etc").size() == 2);
  CHECK_FALSE(root.exists("etc/c"));
  CHECK(root.text("etc/d").empty());
  const std::map<std::string, std::string> expected{
      {"etc/a", "1"}, {"etc/b", "a"}, {"etc", "2"}, {"etc/c", "absent"}, {"etc/d", "absent"}};
  CHECK(recorder.seen == expected);
}
