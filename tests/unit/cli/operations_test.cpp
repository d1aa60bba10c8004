// SPDX-License-Identifier: GPL-2.0-or-later
// cancel, monitor.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;

TEST_CASE("cancel asks for a running operation only") {
  Program program;
  program.daemon.course = {attach_operation("running", {}), attach_operation("cancelled", {})};
  CHECK(program.run({"cancel", "7"}).status == 0);
  CHECK(program.daemon.calls[1] == "cancel /org/gpuctl1/operations/7");
  program.daemon.calls.clear();
  CHECK(program.run({"cancel", "7"}).status == 0);
  CHECK(program.daemon.calls.size() == 2);
  program.terminal = true;
  CHECK(program.run({"cancel", "7"}).out == "Operation 7 has ended already: cancelled.\n");
}

TEST_CASE("an operation that is not there is told as one, not as an object of the bus") {
  Program program;
  program.daemon.failures.emplace("operation", Failure{"org.freedesktop.DBus.Error.UnknownObject", "no"});
  const auto outcome = program.run({"cancel", "9", "--json"});
  CHECK(outcome.status == 5);
  const auto error = nlohmann::json::parse(outcome.out)["error"];
  CHECK(error["name"] == "NotFound");
  CHECK(error["message"] == "there is no operation 9");
}

TEST_CASE("monitor tells what has changed between two looks, until Ctrl-C") {
  Program program;
  program.daemon.objects = reference_laptop();
  program.daemon.wakes = {Wake::changed, Wake::daemon_gone, Wake::changed, Wake::interrupted};
  const auto outcome = program.run({"monitor"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out ==
        "daemon-gone\torg.gpuctl1\t-\n"
        "gpu-added\t0000:00:02.0\tAlder Lake-P GT2 [Iris Xe Graphics]\n"
        "gpu-added\t0000:01:00.0\tGA107M [GeForce RTX 3050 Ti Mobile]\n");
}

TEST_CASE("monitor outlives a daemon that stops answering before it goes, and asks nothing twice of it") {
  const Failure no_reply{"org.freedesktop.DBus.Error.NoReply", "no"};
  const auto watched = [](const Failure& failure) {
    Program program;
    program.daemon.objects = reference_laptop();
    program.daemon.at_looks = {[] {}, [failure] { throw failure; }};
    program.daemon.wakes = {Wake::changed, Wake::daemon_gone, Wake::interrupted};
    return program.run({"monitor"});
  };
  const auto outcome = watched(no_reply);
  CHECK(outcome.status == 0);
  CHECK(outcome.out == "daemon-gone\torg.gpuctl1\t-\n");
  CHECK(watched(refusal("Internal")).status == 1);
}
