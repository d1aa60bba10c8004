// SPDX-License-Identifier: GPL-2.0-or-later
// users, doctor, operations, vm list, completion.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;

namespace {

const User root_shell{4711, 0, "nvtop", "user@0.service", "c1", "/dev/nvidia0", "fd 7", "Close nvtop."};
const User stranger{4712, 0, "", "", "", "/dev/nvidia0", "mapping", "Close nvtop."};

}  // namespace

TEST_CASE("users are shown with who they are, and each remedy once") {
  Program program;
  program.terminal = true;
  program.daemon.users = {root_shell, stranger};
  CHECK(program.run({"users", "01:00"}).out ==
        "PID   COMMAND            USER  UNIT            SESSION  HOLDS         THROUGH\n"
        "4711  nvtop              root  user@0.service  c1       /dev/nvidia0  fd 7\n"
        "4712  (of another user)  root  -               -        /dev/nvidia0  mapping\n"
        "Close nvtop.\n");
  CHECK(program.daemon.calls.back() == "users '01:00'");
}

TEST_CASE("users of another host have numbers, for their names are not known here") {
  Program program;
  program.daemon.users = {root_shell};
  CHECK(program.run({"users", "--host", "box"}).out ==
        "4711\tnvtop\t0\tuser@0.service\tc1\t/dev/nvidia0\tfd 7\tClose nvtop.\n");
}

TEST_CASE("JSON also tells where a user runs, and whether it lets go by itself") {
  Program program;
  program.daemon.users = {root_shell, stranger};
  program.daemon.users[1].container = "docker 0123456789ab";
  program.daemon.users[1].machine = "web\x1b[2J";
  program.daemon.users[1].lets_go = program.daemon.users[1].shared = true;
  const auto users = nlohmann::json::parse(program.run({"users", "--json"}).out)["users"];
  CHECK(users.at(0).at("container").is_null());
  CHECK(users.at(0).at("machine").is_null());
  CHECK(users.at(0).at("lets_go") == false);
  CHECK(users.at(0).at("shared") == false);
  CHECK(users.at(1).at("shared") == true);
  CHECK(users.at(1).at("container") == "docker 0123456789ab");
  CHECK(users.at(1).at("machine") == "web");
  CHECK(users.at(1).at("lets_go") == true);
}

TEST_CASE("a GPU that nobody holds is exit 0") {
  Program program;
  program.terminal = true;
  CHECK(program.run({"users"}).out == "Nobody holds the GPU.\n");
  CHECK(program.run({"users", "--json"}).out == "{\n  \"users\": []\n}\n");
}

TEST_CASE("doctor ends with ready, or with the first thing to do") {
  Program program;
  program.daemon.findings = {{"kvm", "ok", "/dev/kvm", "KVM works.", ""},
                             {"rebar", "warning", "0000:01:00.0", "Resizable BAR is off.", "Switch it on."}};
  auto outcome = program.run({"doctor"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out ==
        "ok\tkvm\t/dev/kvm\tKVM works.\t-\n"
        "warning\trebar\t0000:01:00.0\tResizable BAR is off.\tSwitch it on.\n"
        "ready\n");
  program.daemon.findings.push_back(
      {"iommu-off", "blocker", "kernel", "The IOMMU is off.", "gpuctl kernel-args enable"});
  outcome = program.run({"doctor"});
  CHECK(outcome.status == 3);
  CHECK(outcome.out.ends_with("\ngpuctl kernel-args enable\n"));
  const auto json = nlohmann::json::parse(program.run({"doctor", "--json"}).out);
  CHECK(json["ready"] == false);
  CHECK(json["next"] == "gpuctl kernel-args enable");
  CHECK(json["findings"].size() == 3);
}

TEST_CASE("a machine with one dead GPU of several is ready with the others") {
  Program program;
  program.daemon.findings = {
      {"gpu-power", "blocker", "0000:a1:00.0", "It does not answer.", "Power off and on."},
      {"ready", "ok", "", "ready: 0000:01:00.0 can be handed to a VM", "gpuctl attach"}};
  auto outcome = program.run({"doctor"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out.ends_with("\nready\n"));
  program.daemon.findings.back() = {"ready", "blocker", "0000:a1:00.0", "not ready: no GPU answers",
                                    "Look inside."};
  outcome = program.run({"doctor"});
  CHECK(outcome.status == 3);
  CHECK(outcome.out.ends_with("\nLook inside.\n"));
}

TEST_CASE("a report that cannot be written is told after the findings") {
  Program program;
  program.daemon.findings = {{"kvm", "ok", "/dev/kvm", "KVM works.", ""}};
  const auto outcome = program.run({"doctor", "--report", "/nonexistent/report"});
  CHECK(outcome.status == 3);
  CHECK(outcome.out == "ok\tkvm\t/dev/kvm\tKVM works.\t-\nready\n");
  CHECK(outcome.err.starts_with("gpuctl: /nonexistent/report"));
  const auto json =
      nlohmann::json::parse(program.run({"doctor", "--report", "/nonexistent/x", "--json"}).out);
  CHECK(json["error"]["name"] == "StateUnwritable");
}

TEST_CASE("operations are listed with their progress") {
  Program program;
  program.daemon.objects = reference_laptop();
  program.daemon.objects.operations = {attach_operation("running", {"done", "running", "pending"})};
  program.daemon.objects.operations[0].step = 1;
  CHECK(program.run({"operations"}).out == "7\tattach\t0000:01:00\t-\trunning\t1/3\t1000\t-\n");
  const auto json = nlohmann::json::parse(program.run({"operations", "--json"}).out)["operations"][0];
  CHECK(json["number"] == 7);
  CHECK(json["gpu"] == "0000:01:00.0");
}

TEST_CASE("a message of several lines is one record all the same") {
  Program program;
  program.daemon.objects = reference_laptop();
  program.daemon.objects.operations = {attach_operation("rolled-back", {})};
  program.daemon.objects.operations[0].message = "qemu said:\nno such device";
  const auto out = program.run({"operations"}).out;
  CHECK(std::ranges::count(out, '\n') == 1);
  CHECK(out.ends_with("qemu said: no such device\n"));
}

TEST_CASE("vm list shows the VMs and the GPUs they have") {
  Program program;
  program.daemon.vms = {{"win11", "1b2c", "running", {"0000:01:00.0", "0000:01:00.1"}, {}},
                        {"debian", "3d4e", "shutoff", {}, {{"bios", "warning", "debian", "SeaBIOS", ""}}}};
  CHECK(program.run({"vm", "list"}).out ==
        "win11\trunning\t0000:01:00.0,0000:01:00.1\t0\t1b2c\n"
        "debian\tshutoff\t-\t1\t3d4e\n");
}

TEST_CASE("completion gives words with descriptions, and stays silent without an answer") {
  Program program;
  program.daemon.objects = reference_laptop();
  program.daemon.vms = {{"win11", "", "shutoff", {}, {}}};
  CHECK(program.run({"__complete", "gpus"}).out ==
        "0000:00:02.0\tAlder Lake-P GT2 [Iris Xe Graphics]\n0000:01:00.0\tGA107M [GeForce RTX 3050 Ti "
        "Mobile]\n");
  CHECK(program.run({"__complete", "vms"}).out == "win11\tshutoff\n");
  program.daemon.failures.emplace("vms", refusal("LibvirtUnavailable"));
  const auto outcome = program.run({"__complete", "vms"});
  CHECK(outcome.status == 0);
  CHECK(outcome.err.empty());
}
