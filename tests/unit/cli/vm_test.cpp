// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;

namespace {

using Calls = std::vector<std::string>;

Program with_diff(const std::string& diff) {
  Program program;
  program.daemon.diff = diff;
  return program;
}

const std::string change = "--- win11\n+++ win11\n@@ -1 +1 @@\n-<old/>\n+<new/>\n";

}  // namespace

TEST_CASE("vm setup shows the change first and then applies it") {
  auto program = with_diff(change);
  const auto outcome = program.run({"vm", "setup", "win11", "--looking-glass", "2560x1440@hdr", "--transport",
                                    "kvmfr", "--rom", "auto", "--gpu", "01:00", "--battery"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out == change);
  CHECK(program.daemon.calls == Calls{"setup_vm 'win11' 2560x1440@hdr kvmfr auto 01:00 battery dry-run",
                                      "setup_vm 'win11' 2560x1440@hdr kvmfr auto 01:00 battery"});
}

TEST_CASE("what vm setup could not do on the host is complained about, whoever reads the output") {
  auto program = with_diff(change + "# /etc/x could not be written: put it there by hand\n");
  const auto outcome = program.run({"vm", "setup", "win11"});
  CHECK(outcome.err == "gpuctl: /etc/x could not be written: put it there by hand\n");
}

TEST_CASE("vm setup --dry-run, and a VM that needs no change, change nothing") {
  auto program = with_diff(change);
  CHECK(program.run({"vm", "setup", "win11", "--dry-run"}).out == change);
  CHECK(program.daemon.calls.size() == 1);
  auto fit = with_diff("");
  fit.terminal = true;
  CHECK(fit.run({"vm", "setup", "win11"}).out == "There is nothing to change.\n");
  CHECK(fit.daemon.calls.size() == 1);
}

TEST_CASE("vm setup --json is one document that tells whether it was applied") {
  auto program = with_diff(change);
  const auto json = nlohmann::json::parse(program.run({"vm", "setup", "win11", "--json"}).out);
  CHECK(json["diff"] == change);
  CHECK(json["applied"] == true);
  CHECK(nlohmann::json::parse(program.run({"vm", "setup", "win11", "--json", "--dry-run"}).out)["applied"] ==
        false);
}

TEST_CASE("a ROM file is named with its whole path, for the daemon works elsewhere") {
  auto program = with_diff("");
  program.run({"vm", "setup", "win11", "--rom", "card.rom"});
  const auto whole = (std::filesystem::current_path() / "card.rom").string();
  CHECK(program.daemon.calls.back() == "setup_vm 'win11'   " + whole + "  dry-run");
  program.run({"vm", "setup", "win11", "--rom", ""});
  CHECK(program.daemon.calls.back() == "setup_vm 'win11'     dry-run");
  program.run({"vm", "setup", "win11", "--rom", "/roms/card.rom", "--host", "box"});
  CHECK(program.daemon.calls.back() == "setup_vm 'win11'   /roms/card.rom  dry-run");
}

TEST_CASE("vm setup --undo takes the last setup back and nothing else") {
  auto program = with_diff(change);
  CHECK(program.run({"vm", "setup", "win11", "--undo"}).status == 0);
  CHECK(program.daemon.calls == Calls{"undo_vm 'win11' dry-run", "undo_vm 'win11'"});
  CHECK(program.run({"vm", "setup", "win11", "--undo", "--battery"}).status == 2);
}

TEST_CASE("the lines of a change have colours on a terminal") {
  auto program = with_diff(change);
  program.terminal = true;
  program.no_color = false;
  const auto out = program.run({"vm", "setup", "win11", "--dry-run"}).out;
  CHECK(out.find("\x1b[31m-<old/>\x1b[0m\n\x1b[32m+<new/>\x1b[0m\n") != std::string::npos);
}

TEST_CASE("vm check and looking-glass check print findings and exit with 3 when something is in the way") {
  Program program;
  CHECK(program.run({"vm", "check", "win11", "--gpu", "01:00"}).status == 0);
  CHECK(program.daemon.calls.back() == "check_vm 'win11' '01:00'");
  program.daemon.problems = {{"firmware", "blocker", "win11", "It boots with SeaBIOS.", "Use UEFI."}};
  CHECK(program.run({"vm", "check", "win11"}).status == 3);
  const auto outcome = program.run({"looking-glass", "check", "win11"});
  CHECK(outcome.status == 3);
  CHECK(outcome.out == "blocker\tfirmware\twin11\tIt boots with SeaBIOS.\tUse UEFI.\n");
  CHECK(program.daemon.calls.back() == "check_looking_glass 'win11'");
  CHECK(program.run({"looking-glass", "check"}).status == 3);
  CHECK(program.daemon.calls.back() == "check_looking_glass ''");
}

TEST_CASE("commands about one VM need its name") {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"vm", "check"},
                                                    {"vm", "setup"},
                                                    {"looking-glass"},
                                                    {"vm", "setup", "win11", "--transport", "pigeon"}}) {
    Program program;
    CHECK(program.run(arguments).status == 2);
    CHECK(program.connections == 0);
  }
}
