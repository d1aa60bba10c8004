// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/config.hpp"

#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

using namespace gpuctl;

namespace fs = std::filesystem;

namespace {

LoadedConfig parse(std::string_view text) { return parse_config(text, "gpuctl.toml"); }

std::string only_problem(std::string_view text) {
  const auto problems = parse(text).problems;
  REQUIRE(problems.size() == 1);
  return problems[0].str();
}

std::string source_file(const char* name) {
  std::ifstream file{fs::path{TEST_DATA}.parent_path() / "daemon/config" / name};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}
std::string shipped_file() { return source_file("gpuctl.toml"); }

/// Settings are commented out by '#' alone, prose by '#' and a blank.
std::string uncommented(const std::string& text) {
  std::istringstream lines{text};
  std::string result;
  for (std::string line; std::getline(lines, line);)
    result += (line.size() > 1 && line[0] == '#' && line[1] != ' ' ? line.substr(1) : line) + "\n";
  return result;
}

struct Root {
  Root() {
    std::string name = (fs::temp_directory_path() / "gpuctl-config-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Root() { fs::remove_all(path); }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  void file(const std::string& name, const std::string& text, mode_t mode = 0644) const {
    const auto full = path / "etc/gpuctl" / name;
    fs::create_directories(full.parent_path());
    std::ofstream{full} << text;
    ::chmod(full.c_str(), mode);
  }
  LoadedConfig load() const { return load_config(RootDir{path}); }
  fs::path path;
};

}  // namespace

TEST_CASE("without files, and with the shipped file, the defaults hold") {
  const Root root;
  CHECK(root.load().config == Config{});
  CHECK(root.load().problems.empty());
  root.file("gpuctl.toml", shipped_file());
  CHECK(root.load().config == Config{});
  CHECK(root.load().problems.empty());
}

TEST_CASE("the shipped file with every line uncommented is valid and equals the defaults") {
  const auto text = uncommented(shipped_file());
  Config other;
  other.quiesce = {{}, false, false, std::chrono::seconds{9}};
  other.timeouts = {std::chrono::seconds{1}, std::chrono::seconds{1}, std::chrono::seconds{1},
                    std::chrono::seconds{1}, std::chrono::seconds{1}, std::chrono::seconds{1}};
  other.vm = {true, "test:///default"};
  other.sleep = {SleepPolicy::allow};
  other.operations = {std::chrono::seconds{1}};
  other.polkit = {false};
  other.log = {LogLevel::debug};
  const auto loaded = parse_config(text, "gpuctl.toml", other);
  for (const auto& p : loaded.problems) MESSAGE(p.str());
  CHECK(loaded.problems.empty());
  CHECK(loaded.config == Config{});  // so every key of Config is in the file
}

TEST_CASE("looking for users has their time to let go besides, and five times that where it is forced") {
  const auto timeouts = parse_config("[quiesce]\nsettle = 20\n", "gpuctl.toml").config.step_timeouts();
  CHECK(timeouts.of(StepKind::check_users) == std::chrono::seconds{35});
  CHECK(timeouts.of(StepKind::check_users, true) == std::chrono::seconds{115});
  CHECK(timeouts.of(StepKind::set_override, true) == std::chrono::seconds{15});
}

TEST_CASE("the manual page shows every setting with its default") {
  auto page = source_file("gpuctl.toml.5");
  std::erase(page, '\\');
  for (auto at = page.find("(dq"); at != std::string::npos; at = page.find("(dq")) page.replace(at, 3, "''");
  std::istringstream lines{uncommented(shipped_file())};
  for (std::string line; std::getline(lines, line);) {
    const auto equals = line.find(" = ");
    if (line.starts_with('[')) CHECK_MESSAGE(page.find(".SH " + line) != std::string::npos, line);
    if (line.starts_with('#') || equals == std::string::npos) continue;
    auto value = line.substr(equals);
    for (auto at = value.find('"'); at != std::string::npos; at = value.find('"')) value.replace(at, 1, "''");
    CHECK_MESSAGE(page.find(".BR " + line.substr(0, equals) + " \"" + value + "\"") != std::string::npos,
                  line);
  }
}

TEST_CASE("settings are taken") {
  const auto config = parse(R"(
[quiesce]
stop-units = ["ollama.service", "dcgm-*.service"]
[timeouts]
unbind = 5
[sleep]
while-vm-has-gpu = "allow"
[log]
level = "debug"
)")
                          .config;
  CHECK(config.quiesce.stop_units == std::vector<std::string>{"ollama.service", "dcgm-*.service"});
  CHECK(config.timeouts.of(StepKind::unbind) == std::chrono::seconds{5});
  CHECK(config.timeouts.of(StepKind::bind) == std::chrono::seconds{60});
  CHECK(config.timeouts.of(StepKind::vm_add_devices) == config.timeouts.vm);
  CHECK(config.sleep.while_vm_has_gpu == SleepPolicy::allow);
  CHECK(config.log.level == LogLevel::debug);
}

TEST_CASE("a wrong setting is told with its exact position, and the default stays") {
  CHECK(only_problem("[quiesce]\n\nsettle   = \"long\"\n") ==
        "gpuctl.toml:3:12: error: quiesce.settle must be a whole number of seconds, not text");
  CHECK(only_problem("[timeouts]\nunbind = 0\n") ==
        "gpuctl.toml:2:10: error: timeouts.unbind must be from 1 to 3600 seconds, not 0");
  CHECK(only_problem("[vm]\nkeep = 1\n") ==
        "gpuctl.toml:2:8: error: vm.keep must be true or false, not a whole number");
  CHECK(only_problem("[log]\n level = \"loud\"\n") ==
        "gpuctl.toml:2:10: error: log.level must be \"error\" or \"warning\" or \"info\" or \"debug\", not "
        "\"loud\"");
  CHECK(only_problem("[quiesce]\nstop-units = [\"a.service\", \"../x\"]\n") ==
        "gpuctl.toml:2:14: error: quiesce.stop-units lists \"../x\", which is no name of a service");
  CHECK(only_problem("vm = true\n") == "gpuctl.toml:1:1: error: \"vm\" must be a table: [vm]");
  CHECK(parse("[quiesce]\nsettle = \"long\"\n").config == Config{});
}

TEST_CASE("unknown keys are warnings, with a hint where one is meant") {
  CHECK(only_problem("[quiesce]\nsettel = 3\n") ==
        "gpuctl.toml:2:1: warning: unknown key \"settel\" in [quiesce]");
  CHECK(only_problem("[quiesce]\ndrm_remove = false\n") ==
        "gpuctl.toml:2:1: warning: unknown key \"drm_remove\" in [quiesce]; \"drm-remove\" belongs into "
        "[quiesce]");
  CHECK(only_problem("keep = true\n") ==
        "gpuctl.toml:1:1: warning: unknown key \"keep\"; \"keep\" belongs into [vm]");
  CHECK(only_problem("[gpu]\n") == "gpuctl.toml:1:2: warning: unknown table \"gpu\"");
  CHECK(parse("[gpu]\nx=1\n").ok());
}

TEST_CASE("one wrong setting does not take the others along, and all are told in order") {
  const auto loaded = parse("[vm]\nkeep = 3\nlibvirt-uri = \"test:///default\"\n[log]\nlevel = 1\n");
  CHECK(loaded.config.vm.libvirt_uri == "test:///default");
  REQUIRE(loaded.problems.size() == 2);
  CHECK(loaded.problems[0].line == 2);
  CHECK(loaded.problems[1].line == 5);
  CHECK_FALSE(loaded.ok());
}

TEST_CASE("a file that is no TOML changes nothing and is told by position") {
  const auto loaded = parse("[vm]\nkeep = true\nkeep = = \n");
  CHECK(loaded.config == Config{});
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].line == 3);
  CHECK(loaded.problems[0].column >= 1);
  CHECK_FALSE(loaded.ok());
}

TEST_CASE("any bytes make a report, never an exception") {
  const auto text = uncommented(shipped_file());
  for (std::size_t end = 0; end < text.size(); end += 7) CHECK_NOTHROW(parse(text.substr(0, end)));
  for (std::size_t at = 0; at < text.size(); at += 11) {
    auto flipped = text;
    flipped[at] = static_cast<char>(static_cast<unsigned char>(flipped[at]) ^ 0x85U);
    CHECK_NOTHROW(parse(flipped));
  }
}

TEST_CASE("drop-ins are read by name after the main file, and win key by key") {
  const Root root;
  root.file("gpuctl.toml", "[vm]\nkeep = true\n[timeouts]\nbind = 10\n");
  root.file("gpuctl.toml.d/20-b.toml", "[timeouts]\nbind = 30\n");
  root.file("gpuctl.toml.d/10-a.toml", "[timeouts]\nbind = 20\nunbind = 20\n");
  root.file("gpuctl.toml.d/30-c.toml.bak", "[timeouts]\nbind = 40\n");
  const auto loaded = root.load();
  CHECK(loaded.config.vm.keep);
  CHECK(loaded.config.timeouts.bind == std::chrono::seconds{30});
  CHECK(loaded.config.timeouts.unbind == std::chrono::seconds{20});
}

TEST_CASE("the problems of a drop-in name that file") {
  const Root root;
  root.file("gpuctl.toml.d/10-a.toml", "[vm]\nkeep = 3\n");
  CHECK(root.load().problems.at(0).str() ==
        "/etc/gpuctl/gpuctl.toml.d/10-a.toml:2:8: error: vm.keep must be true or false, not a whole number");
}

TEST_CASE("a file that others may write is not used") {
  const Root root;
  root.file("gpuctl.toml", "[vm]\nkeep = true\n", 0666);
  const auto loaded = root.load();
  CHECK_FALSE(loaded.config.vm.keep);
  CHECK_FALSE(loaded.ok());
  CHECK(loaded.problems.at(0).str().starts_with("/etc/gpuctl/gpuctl.toml: error: is not used"));
}

TEST_CASE("a directory in the place of the file is told") {
  const Root root;
  fs::create_directories(root.path / "etc/gpuctl/gpuctl.toml");
  CHECK_FALSE(root.load().ok());
}

TEST_CASE("the report has a line for each problem, and its status is that of the errors") {
  std::array<char, 4096> output{};
  auto* to = ::fmemopen(output.data(), output.size(), "w");
  CHECK(report(parse("[gpu]\n"), to) == 0);
  CHECK(report(parse("[vm]\nkeep = 3\n"), to) == 1);
  std::fclose(to);
  CHECK(std::string{output.data()} ==
        "gpuctl.toml:1:2: warning: unknown table \"gpu\"\n"
        "gpuctl.toml:2:8: error: vm.keep must be true or false, not a whole number\n");
}
