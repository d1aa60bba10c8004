// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/clean_text.hpp"

#include <doctest/doctest.h>

#include <array>
#include <random>

#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;
using namespace std::string_literals;

TEST_CASE("ordinary text in any script stays as it is") {
  for (const auto* text : {"NVIDIA [GeForce]", "nvidia → vfio-pci", "Größe", "グラフィックス", "🖥"})
    CHECK(clean(text) == text);
}

TEST_CASE("escape sequences are taken out whole") {
  CHECK(clean("a\x1b[31mred\x1b[0mb") == "aredb");
  CHECK(clean("a\x1b]0;title\x07z") == "az");
  CHECK(clean("a\x1b]0;title\x1b\\z") == "az");
  CHECK(clean("a\x1bPq#0\x1b\\z") == "az");
  CHECK(clean("a\x1b"
              "cz") == "az");
  CHECK(clean("a\x1b") == "a");
  CHECK(clean("a\x1b[") == "a");
  CHECK(clean("a\x1b]endless") == "a");
}

TEST_CASE("control characters, line ends, C1 and text direction marks become blanks") {
  CHECK(clean("a\nb\tc\rd\x07"
              "e\x7f"
              "f\0g"s) == "a b c d e f g");
  CHECK(clean("a\u009b31mb\u202ec\u200bd") == "a 31mb c d");
  CHECK(clean("a\nb\tc", Newlines::keep) == "a\nb c");
}

TEST_CASE("what is not UTF-8 becomes question marks") {
  CHECK(clean("a\x9b"
              "31mb") == "a?31mb");
  CHECK(clean("\xc3(") == "?(");
  CHECK(clean("\xe2\x82") == "??");
  CHECK(clean("\xc0\xafx") == "??x");
  CHECK(clean("\xed\xa0\x80") == "???");
  CHECK(clean("\xf4\x90\x80\x80") == "????");
}

TEST_CASE("no bytes whatsoever come out as a control character") {
  std::mt19937 random{20240607};
  for (int round = 0; round < 20000; ++round) {
    std::string text(random() % 24, '\0');
    for (auto& c : text)
      c = std::array{'\x1b', '[', ']', '\xc2', '\x9b', 'm', static_cast<char>(random())}[random() % 7];
    const auto result = clean(text);
    for (std::size_t i = 0; i < result.size(); ++i) {
      const auto c = static_cast<unsigned char>(result[i]);
      const bool c1 = c == 0xc2 && static_cast<unsigned char>(result[i + 1]) < 0xa0;
      REQUIRE_MESSAGE((c >= 0x20 && c != 0x7f && !c1), "from ", text);
    }
    REQUIRE(clean(result) == result);
  }
}

namespace {

const std::string hostile = "x\x1b[2J\x1b]0;owned\x07\r\n\tgpuctl: all is well\u009b1m\xff";

template <class... Strings>
void poison(Strings&... strings) {
  (strings.append(hostile), ...);
}

void poison(std::vector<Problem>& problems) {
  problems.push_back({"id", "blocker", "subject", "message", "remedy"});
  for (auto& p : problems) poison(p.id, p.subject, p.message, p.remedy);
}

void poison(Function& f) {
  f.modules.push_back(hostile);
  f.reset_methods.push_back(hostile);
  poison(f.class_code, f.ids, f.subsystem_ids, f.driver, f.driver_override, f.power_state, f.name, f.revision,
         f.class_name, f.subsystem_name);
}

/// A daemon every string of which tries to write to the terminal, except the words that decide what is
/// printed.
Daemon hostile_daemon() {
  Daemon d;
  d.objects = reference_laptop();
  d.objects.operations = {attach_operation("running", {"done", "running", "pending"})};
  for (auto& gpu : d.objects.gpus) {
    poison(gpu.name, gpu.vendor, gpu.state, gpu.vm);
    for (auto& function : gpu.functions) poison(function);
  }
  poison(d.objects.gpus[1].problems);
  for (auto& group : d.objects.groups) {
    poison(group.problems);
    for (auto& device : group.devices) poison(device);
  }
  d.course = {d.objects.operations[0], attach_operation("succeeded", {"done", "done", "done"})};
  for (auto& operation : d.course) {
    poison(operation.vm, operation.kind);
    for (auto& step : operation.steps) poison(step.kind, step.subject, step.detail);
  }
  auto& listed = d.objects.operations[0];
  poison(listed.kind, listed.vm, listed.state, listed.gpu_path, listed.error);
  poison(d.problems);
  poison(d.findings);
  d.steps = {{hostile, hostile, hostile, ""}};
  d.users = {{1, 2, hostile, hostile, hostile, hostile, hostile, hostile}};
  d.vms = {{hostile, hostile, hostile, {hostile}, d.problems}};
  d.diff = d.sentence = hostile;
  d.kernel_arguments = {hostile, hostile, {hostile}, {hostile}, {hostile}, {hostile}, hostile, true, true};
  d.policies = {{hostile, hostile, hostile, hostile, false, false}};
  return d;
}

}  // namespace

TEST_CASE("no string of the bus can write to the terminal or add a line of its own, whatever the command") {
  for (const bool terminal : {true, false}) {
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"list"},
                                                      {"show", "01:00"},
                                                      {"groups", "--all"},
                                                      {"check"},
                                                      {"attach"},
                                                      {"attach", "--dry-run"},
                                                      {"release", "--dry-run"},
                                                      {"users"},
                                                      {"doctor"},
                                                      {"operations"},
                                                      {"vm", "list"},
                                                      {"vm", "check", "x"},
                                                      {"vm", "setup", "x", "--dry-run"},
                                                      {"kernel-args", "show"},
                                                      {"boot", "show"},
                                                      {"boot", "clear"}}) {
      CAPTURE(arguments.front());
      Program program;
      program.terminal = terminal;
      program.daemon = hostile_daemon();
      const auto outcome = program.run(arguments);
      auto text = outcome.out + outcome.err;
      for (std::size_t at; (at = text.find("\r\x1b[K")) != std::string::npos;) text.erase(at, 4);
      CHECK(text.find("all is well") != std::string::npos);
      CHECK(text.find_first_of("\x1b\r\x07\xff") == std::string::npos);
      CHECK(text.find("\u009b") == std::string::npos);
      CHECK(text.find("\ngpuctl: all is well") == std::string::npos);
      CHECK(text.find("\tgpuctl: all is well") == std::string::npos);
    }
  }
}

TEST_CASE("an error's sentence keeps its lines but no control characters") {
  Program program;
  program.daemon.failures.emplace("objects", refusal("Internal", "first\x1b[2J\nsecond\a"));
  CHECK(program.run({"list"}).err == "gpuctl: first\nsecond \n");
}
