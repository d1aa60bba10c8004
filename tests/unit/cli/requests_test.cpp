// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;

namespace {

using Calls = std::vector<std::string>;

/// A daemon whose next operation succeeds at once.
Program ready() {
  Program program;
  program.daemon.course = {attach_operation("succeeded", {"done", "done", "done"})};
  return program;
}

bool asked(const Program& program, const std::string& call) {
  return std::ranges::find(program.daemon.calls, call) != program.daemon.calls.end();
}

const Problem nic{"foreign-device", "blocker", "0000:02:00.0", "A network card shares the group.",
                  "Move it."};
const Problem no_reset{"no-reset", "warning", "0000:01:00.0", "It has no reset method.", ""};

}  // namespace

TEST_CASE("attach asks for what its options say and nothing else") {
  auto program = ready();
  CHECK(program.run({"attach", "win11", "--gpu", "01:00", "--live", "--start", "--keep", "--force"}).status ==
        0);
  CHECK(asked(program, "attach '01:00' 'win11' force live start keep"));
  program.daemon.calls.clear();
  CHECK(program.run({"attach", "win11", "--config"}).status == 0);
  CHECK(asked(program, "attach '' 'win11'"));
}

TEST_CASE("attach vm is the VM side alone, unless a domain has that very name") {
  auto program = ready();
  SUBCASE("no domain of that name") { program.daemon.vms = {{"win11", "", "shutoff", {}, {}}}; }
  SUBCASE("a libvirt that hangs") { program.daemon.failures.emplace("vms", refusal("TimedOut")); }
  SUBCASE("no libvirt") { program.daemon.failures.emplace("vms", refusal("LibvirtUnavailable")); }
  CHECK(program.run({"attach", "vm"}).status == 0);
  CHECK(asked(program, "attach '' ''"));
}

TEST_CASE("a domain that is called vm is meant by its name") {
  auto program = ready();
  program.daemon.vms = {{"vm", "", "shutoff", {}, {}}};
  program.run({"attach", "vm"});
  CHECK(asked(program, "attach '' 'vm'"));
}

TEST_CASE("other domain names are not looked up by the program") {
  auto program = ready();
  program.run({"attach", "win11"});
  CHECK_FALSE(asked(program, "vms"));
}

TEST_CASE("a blocked attach prints every problem with its remedy and exits with 3") {
  auto program = ready();
  program.daemon.failures.emplace("attach", refusal("Blocked", "2 problems"));
  program.daemon.problems = {nic, no_reset};
  const auto outcome = program.run({"attach"});
  CHECK(outcome.status == 3);
  CHECK(outcome.out.empty());
  CHECK(outcome.err ==
        "gpuctl: 1 problem stands in the way\n"
        "blocker: A network card shares the group. [foreign-device]\n"
        "    Move it.\n"
        "warning: It has no reset method. [no-reset]\n");
}

TEST_CASE("a blocked attach with --json is one document with error and problems") {
  auto program = ready();
  program.daemon.failures.emplace("attach", refusal("Blocked", "2 problems"));
  program.daemon.problems = {nic};
  const auto json = nlohmann::json::parse(program.run({"attach", "--json"}).out);
  CHECK(json["error"]["name"] == "Blocked");
  CHECK(json["problems"][0]["id"] == "foreign-device");
}

TEST_CASE("when the problems are gone by the time they are asked for, the refusal itself is printed") {
  auto program = ready();
  program.daemon.failures.emplace("attach", refusal("Blocked", "pid 4711 holds it"));
  const auto outcome = program.run({"attach"});
  CHECK(outcome.status == 3);
  CHECK(outcome.err == "gpuctl: pid 4711 holds it\n");
}

TEST_CASE("check prints problems and tells by its status whether attach would work") {
  Program program;
  program.daemon.problems = {no_reset};
  auto outcome = program.run({"check", "win11", "--gpu", "01:00"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out == "warning\tno-reset\t0000:01:00.0\tIt has no reset method.\t-\n");
  CHECK(asked(program, "check '01:00' 'win11'"));
  program.daemon.problems.push_back(nic);
  outcome = program.run({"check", "--json"});
  CHECK(outcome.status == 3);
  CHECK(nlohmann::json::parse(outcome.out)["blocked"] == true);
}

TEST_CASE("dry-run prints the steps, and the problems with exit 3 where attach would be refused") {
  Program program;
  program.daemon.steps = {{"unbind", "0000:01:00.0", "nvidia", ""}, {"bind", "0000:01:00.0", "vfio-pci", ""}};
  auto outcome = program.run({"attach", "--dry-run"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out == "unbind\t0000:01:00.0\tnvidia\nbind\t0000:01:00.0\tvfio-pci\n");
  CHECK_FALSE(asked(program, "attach '' ''"));
  program.daemon.problems = {nic};
  outcome = program.run({"attach", "--dry-run"});
  CHECK(outcome.status == 3);
  CHECK(outcome.out.ends_with(
      "blocker\tforeign-device\t0000:02:00.0\tA network card shares the group.\tMove it.\n"));
  program.daemon.failures.emplace("plan", refusal("Blocked"));
  CHECK(program.run({"attach", "--dry-run"}).status == 3);
  program.daemon.failures.clear();
}

TEST_CASE("a release is looked at and refused as an attach is") {
  auto program = ready();
  program.daemon.steps = {{"unbind", "0000:01:00.0", "vfio-pci", ""}};
  auto outcome = program.run({"release", "--dry-run", "01:00", "--reset"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out == "unbind\t0000:01:00.0\tvfio-pci\n");
  CHECK(program.daemon.calls == Calls{"check '01:00' '' reset of-release", "plan release '01:00' '' reset"});
  program.daemon.problems = {nic, no_reset};
  outcome = program.run({"release", "--dry-run"});
  CHECK(outcome.status == 3);
  CHECK(outcome.out.find("blocker\tforeign-device") != std::string::npos);
  program.daemon.failures.emplace("release", refusal("Blocked", "2 problems"));
  outcome = program.run({"release"});
  CHECK(outcome.status == 3);
  CHECK(outcome.err.starts_with("gpuctl: 1 problem stands in the way\n"));
  const auto json = nlohmann::json::parse(program.run({"release", "--json"}).out);
  CHECK(json["error"]["name"] == "Blocked");
  CHECK(json["problems"][0]["id"] == "foreign-device");
}

TEST_CASE("a release that is only looked at tells the machine by its name") {
  auto program = ready();
  program.daemon.steps = {{"vm-remove-devices", "9f3c2b54", "0000:01:00.0", ""}};
  program.daemon.vms = {{"other", "7", "running", {}, {}}, {"win11", "9f3c2b54", "shut off", {}, {}}};
  CHECK(program.run({"release", "--dry-run", "01:00"}).out == "vm-remove-devices\twin11\t0000:01:00.0\n");
  program.daemon.vms.pop_back();
  CHECK(program.run({"release", "--dry-run", "01:00"}).out == "vm-remove-devices\t9f3c2b54\t0000:01:00.0\n");
}

TEST_CASE("--no-wait prints the number of the operation and does not follow it") {
  auto program = ready();
  const auto outcome = program.run({"release", "--no-wait", "01:00"});
  CHECK(outcome.out == "7\n");
  CHECK(program.daemon.calls == Calls{"release '01:00'"});
}

TEST_CASE("nobody waits for a text agent who needs none") {
  auto program = ready();
  program.person = true;
  program.run({"attach"});
  CHECK(program.agents_started == 0);
  CHECK(program.daemon.calls.front() == "attach '' '' silent");
}

TEST_CASE("the text agent is started when a password is wanted, and the call is made again") {
  auto program = ready();
  program.person = true;
  program.daemon.wants_password = true;
  CHECK(program.run({"attach"}).status == 0);
  CHECK(program.agents_started == 1);
  CHECK(program.daemon.calls[0] == "attach '' '' silent");
  CHECK(program.daemon.calls[1] == "attach '' ''");
}

TEST_CASE("there is no text agent for root, for --json, for another host or without a terminal") {
  auto program = ready();
  program.daemon.wants_password = true;
  program.run({"attach"});
  program.person = true;
  program.run({"attach", "--json"});
  program.run({"attach", "--host", "alice@laptop"});
  CHECK(program.host == "alice@laptop");
  program.root = true;
  program.run({"attach"});
  CHECK(program.agents_started == 0);
}

TEST_CASE("the viewer opens after a start that worked, and only then") {
  auto program = ready();
  program.viewer_installed = true;
  CHECK(program.run({"attach", "win11", "--start", "--view"}).status == 0);
  CHECK(program.viewers_started == 1);
  program.daemon.course = {attach_operation("failed", {})};
  CHECK(program.run({"attach", "win11", "--start", "--view"}).status == 1);
  CHECK(program.viewers_started == 1);
}

TEST_CASE("a viewer that is not installed is told, and the attach still counts as done") {
  auto program = ready();
  const auto outcome = program.run({"attach", "win11", "--start", "--view"});
  CHECK(outcome.status == 0);
  CHECK(outcome.err.starts_with("gpuctl: looking-glass-client is not installed"));
}

TEST_CASE("a card that does not answer is reset or found again only on request, and one of both") {
  Program program;
  program.run({"release", "--no-wait", "--reset", "01:00"});
  program.run({"release", "--no-wait", "--rescan", "01:00"});
  CHECK(program.daemon.calls == Calls{"release '01:00' reset", "release '01:00' rescan"});
  CHECK(program.run({"release", "--reset", "--rescan"}).status == 2);
}
