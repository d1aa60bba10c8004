// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "cli/output/stream.hpp"
#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;

namespace {

/// An attach that takes three looks and ends as `end`.
Program attaching(Operation end) {
  Program program;
  program.daemon.course = {attach_operation("running", {"running", "pending", "pending"}),
                           attach_operation("running", {"done", "running", "pending"}), std::move(end)};
  return program;
}

Operation ended(const std::string& state, const std::string& error, const std::string& message) {
  auto operation = attach_operation(state, {"undone", "undone", "failed"});
  operation.error = error.empty() ? "" : "org.gpuctl1.Error." + error;
  operation.message = message;
  return operation;
}

/// A file in which there is no room, or again.
class Output {
 public:
  Output()
      : file_(std::tmpfile()), room_(dup(fileno(file_))), none_(open("/dev/full", O_WRONLY | O_CLOEXEC)) {
    REQUIRE(none_ >= 0);
  }
  ~Output() {
    std::fclose(file_);
    close(room_);
    close(none_);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  std::FILE* stream() const { return file_; }
  void fill() const { dup2(none_, fileno(file_)); }
  void empty() const { dup2(room_, fileno(file_)); }
  off_t size() const { return lseek(room_, 0, SEEK_END); }

 private:
  std::FILE* file_;
  int room_, none_;
};

const auto succeeded = attach_operation("succeeded", {"done", "done", "done"});

}  // namespace

TEST_CASE("piped, each step is a record when it has ended") {
  auto program = attaching(succeeded);
  const auto outcome = program.run({"attach"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out ==
        "done\tset-override\t0000:01:00.0\tvfio-pci\n"
        "done\tunbind\t0000:01:00.0\tnvidia\n"
        "done\tbind\t0000:01:00.0\tvfio-pci\n"
        "succeeded\tattach\t0000:01:00\t-\n");
}

TEST_CASE("a step of a virtual machine names it as its owner does") {
  auto end = succeeded;
  end.vm = "win11";
  end.steps[2] = {"vm-start", "5a3f2c1e-9d8b-4c7a-8e6f-0123456789ab", "", "done"};
  auto program = attaching(end);
  CHECK(program.run({"attach", "win11"}).out.find("done\tvm-start\twin11\t-\n") != std::string::npos);
}

TEST_CASE("on a terminal the running step has a line that its end replaces") {
  auto program = attaching(succeeded);
  program.terminal = true;
  CHECK(program.run({"attach"}).out ==
        "  running  set-override       0000:01:00.0  vfio-pci\r\x1b[K"
        "  done     set-override       0000:01:00.0  vfio-pci\n"
        "  running  unbind             0000:01:00.0  nvidia\r\x1b[K"
        "  done     unbind             0000:01:00.0  nvidia\n"
        "  done     bind               0000:01:00.0  vfio-pci\n"
        "0000:01:00 is with vfio-pci\n");
}

TEST_CASE("a dumb terminal gets lines only, none of which is taken back") {
  auto program = attaching(succeeded);
  program.terminal = program.dumb = true;
  CHECK(program.run({"attach"}).out ==
        "  done     set-override       0000:01:00.0  vfio-pci\n"
        "  done     unbind             0000:01:00.0  nvidia\n"
        "  done     bind               0000:01:00.0  vfio-pci\n"
        "0000:01:00 is with vfio-pci\n");
}

TEST_CASE("with --json there is one document, at the end") {
  auto program = attaching(succeeded);
  const auto json = nlohmann::json::parse(program.run({"attach", "--json"}).out);
  CHECK(json["operation"]["number"] == 7);
  CHECK(json["operation"]["state"] == "succeeded");
  CHECK(json["operation"]["steps"][1]["state"] == "done");
}

TEST_CASE("signals are listened to before the first look, so that no end is missed") {
  auto program = attaching(succeeded);
  program.run({"attach"});
  CHECK(program.daemon.calls[1] == "listen /org/gpuctl1/operations/7");
  CHECK(program.daemon.calls[2] == "operation /org/gpuctl1/operations/7");
}

TEST_CASE("a rolled-back operation exits with 1, says why, and that nothing changed") {
  auto program =
      attaching(ended("rolled-back", "KernelRefused", "bind of 0000:01:00.0: Device or resource busy"));
  const auto outcome = program.run({"attach"});
  CHECK(outcome.status == 1);
  CHECK(outcome.err ==
        "gpuctl: bind of 0000:01:00.0: Device or resource busy\nRolled back: the GPU is where it was "
        "before.\n");
  CHECK(outcome.out.ends_with(
      "undone\tset-override\t0000:01:00.0\tvfio-pci\n"
      "undone\tunbind\t0000:01:00.0\tnvidia\n"
      "failed\tbind\t0000:01:00.0\tvfio-pci\n"
      "rolled-back\tattach\t0000:01:00\tbind of 0000:01:00.0: Device or resource busy\n"));
}

TEST_CASE("once there is an operation, whatever ends it is no refusal: the status is 1") {
  for (const auto* error : {"Blocked", "LibvirtUnavailable", "DeviceChanged", "NotSupported", "VmNotFound",
                            "NotAuthorized", "Internal", ""}) {
    CHECK(attaching(ended("rolled-back", error, "no")).run({"attach"}).status == 1);
    CHECK(attaching(ended("failed", error, "")).run({"attach"}).status == 1);
  }
}

TEST_CASE("an operation that was refused on its way is rolled back, and its remedy is told as well") {
  auto program = attaching(ended("rolled-back", "LibvirtUnavailable", "libvirt has gone"));
  CHECK(program.run({"attach"}).err ==
        "gpuctl: libvirt has gone\nRolled back: the GPU is where it was before.\n"
        "Install libvirt and start it, or wait until it answers; without it, gpuctl attach binds the GPU to "
        "vfio-pci only.\n");
  auto held = attaching(ended("rolled-back", "Blocked", "pid 1 holds it\nEnd it."));
  CHECK(held.run({"attach"}).err.ends_with("End it.\nRolled back: the GPU is where it was before.\n"));
}

TEST_CASE("piped, an operation that does not succeed ends with its record too") {
  CHECK(attaching(ended("failed", "TimedOut", "stuck"))
            .run({"release"})
            .out.ends_with("failed\tattach\t0000:01:00\tstuck\n"));
  CHECK(attaching(ended("cancelled", "Cancelled", ""))
            .run({"attach"})
            .out.ends_with("cancelled\tattach\t0000:01:00\t-\n"));
}

TEST_CASE("with --json an operation's GPU is its address, wherever the operation is shown") {
  auto program = attaching(succeeded);
  program.daemon.objects = reference_laptop();
  program.daemon.objects.operations = {succeeded};
  for (const auto& words : {std::vector<std::string>{"attach"},
                            {"release"},
                            {"attach", "--no-wait"},
                            {"release", "--no-wait"},
                            {"cancel", "7"},
                            {"operations"}}) {
    auto arguments = words;
    arguments.emplace_back("--json");
    const auto json = nlohmann::json::parse(program.run(arguments).out);
    const auto& operation = words[0] == "operations" ? json["operations"][0] : json["operation"];
    CHECK(operation["gpu"] == "0000:01:00.0");
  }
  program.daemon.failures.emplace("objects", refusal("Internal"));
  const auto json = nlohmann::json::parse(program.run({"attach", "--json"}).out);
  CHECK(json["operation"]["state"] == "succeeded");
  CHECK(json["operation"]["gpu"].is_null());
}

TEST_CASE("Ctrl-C asks the operation to cancel and waits for its end") {
  auto program = attaching(ended("cancelled", "Cancelled", "Cancelled by the caller."));
  program.daemon.wakes = {Wake::interrupted};
  const auto outcome = program.run({"attach"});
  CHECK(outcome.status == 1);
  CHECK(std::ranges::count(program.daemon.calls, "cancel /org/gpuctl1/operations/7") == 1);
  CHECK(outcome.err.ends_with("gpuctl: Cancelled by the caller.\n"));
}

TEST_CASE("a second Ctrl-C leaves the operation to itself") {
  Program program;
  program.daemon.course = {attach_operation("running", {"running", "pending", "pending"})};
  program.daemon.wakes = {Wake::interrupted, Wake::changed, Wake::interrupted};
  const auto outcome = program.run({"attach"});
  CHECK(outcome.status == 1);
  CHECK(std::ranges::count(program.daemon.calls, "cancel /org/gpuctl1/operations/7") == 1);
  CHECK(outcome.err.find("operation 7 goes on by itself") != std::string::npos);
}

TEST_CASE(
    "Ctrl-C also ends the ssh to another host: the operation is cancelled and followed through a new one") {
  auto program = attaching(ended("cancelled", "Cancelled", "Cancelled by the caller."));
  SUBCASE("heard before the connection is seen to be lost") { program.daemon.wakes = {Wake::interrupted}; }
  const auto lost = [] {
    raise(SIGINT);
    throw Failure{"org.freedesktop.DBus.Error.NoReply", "lost"};
  };
  SUBCASE("or only afterwards") { program.daemon.at_waits = {lost}; }
  SUBCASE("or before it has been looked at") { program.daemon.at_listens = {lost}; }
  const auto outcome = program.run({"--host", "there", "attach"});
  CHECK(outcome.status == 1);
  CHECK(program.connections == 2);
  CHECK(program.host == "there");
  CHECK(std::ranges::count(program.daemon.calls, "cancel /org/gpuctl1/operations/7") == 1);
  CHECK(std::ranges::count(program.daemon.calls, "listen /org/gpuctl1/operations/7") == 2);
  CHECK(outcome.err.ends_with("gpuctl: Cancelled by the caller.\n"));
}

TEST_CASE("where no new ssh is to be had, who is interrupted learns how to cancel") {
  auto program = attaching(succeeded);
  program.daemon.wakes = {Wake::interrupted};
  program.connect_fails_after = 1;
  const auto outcome = program.run({"--host", "there", "attach"});
  CHECK(outcome.status == 6);
  CHECK(outcome.err.find("operation 7 goes on; gpuctl --host there cancel 7 ends it") != std::string::npos);
}

TEST_CASE("a connection that is lost without Ctrl-C is an error, and on this machine it always is") {
  for (const auto& words : {std::vector<std::string>{"--host", "there", "attach"}, {"attach"}}) {
    auto program = attaching(succeeded);
    const bool here = words.size() == 1;
    program.daemon.at_waits = {[here] {
      if (here) raise(SIGINT);
      throw Failure{"org.freedesktop.DBus.Error.NoReply", "lost"};
    }};
    CHECK(program.run(words).status == 6);
    CHECK(program.connections == 1);
  }
}

TEST_CASE("an operation that ended just before the cancel keeps its end") {
  auto program = attaching(succeeded);
  program.daemon.failures.emplace("cancel", refusal("NotFound", "It has finished."));
  program.daemon.wakes = {Wake::interrupted};
  CHECK(program.run({"attach"}).status == 0);
}

TEST_CASE("a daemon that goes away while the operation runs is exit 6") {
  auto program = attaching(succeeded);
  program.daemon.wakes = {Wake::daemon_gone};
  const auto outcome = program.run({"attach"});
  CHECK(outcome.status == 6);
  CHECK(outcome.err.starts_with("gpuctl: gpuctld went away"));
}

TEST_CASE("with --json an operation that failed has the key error, as a refusal has") {
  const auto failed = attaching(ended("rolled-back", "KernelRefused", "busy")).run({"attach", "--json"}).out;
  CHECK(nlohmann::json::parse(failed)["error"] ==
        nlohmann::json{{"name", "KernelRefused"}, {"message", "busy"}});
  const auto done = attaching(ended("succeeded", "", "")).run({"attach", "--json"}).out;
  CHECK_FALSE(nlohmann::json::parse(done).contains("error"));
}

TEST_CASE("monitor ends with 1 when its output cannot be written") {
  for (const auto& words : {std::vector<std::string>{"monitor"}, {"monitor", "--json"}}) {
    const Output output;
    output.fill();
    Program program;
    program.stream = output.stream();
    program.daemon.wakes = {Wake::changed, Wake::daemon_gone, Wake::changed, Wake::interrupted};
    CHECK(program.run(words).status == 1);
    CHECK(program.daemon.wakes.size() == 2);
  }
}

TEST_CASE("an operation is followed to its end when the output cannot be written, and its status told") {
  for (const auto& [end, status] :
       {std::pair{succeeded, 0}, {ended("rolled-back", "KernelRefused", "busy"), 1}}) {
    const Output output;
    output.fill();
    auto program = attaching(end);
    program.stream = output.stream();
    CHECK(program.run({"attach"}).status == status);
    CHECK(program.daemon.course.size() == 1);
  }
}

TEST_CASE("after a text that could not be written nothing more is, be there room again") {
  const Output output;
  const auto print = sink(output.stream());
  print("first\n");
  output.fill();
  print("lost\n");
  output.empty();
  print("later\n");
  CHECK(std::ferror(output.stream()) != 0);
  CHECK(output.size() == 6);
}
