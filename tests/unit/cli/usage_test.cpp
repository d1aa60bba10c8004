// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "cli/error_text.hpp"
#include "core/error.hpp"
#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;

TEST_CASE("wrong usage exits with 2, says what is wrong, and asks no daemon") {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"atach"},
                                                    {"list", "extra"},
                                                    {"--frob"},
                                                    {"attach", "--live", "--config"},
                                                    {"attach", "a", "b"},
                                                    {"attach", "--view"},
                                                    {"attach", "--start", "--view", "--no-wait"},
                                                    {"cancel"},
                                                    {"cancel", "x"},
                                                    {"cancel", "-1"},
                                                    {"vm"},
                                                    {"vm", "frob"},
                                                    {"release", "--start"},
                                                    {"list", "groups"},
                                                    {"show", "--gpu"},
                                                    {"--host"},
                                                    {"__complete", "passwords"},
                                                    {"groups", "--al"}}) {
    CAPTURE(arguments.front());
    Program program;
    const auto outcome = program.run(arguments);
    CHECK(outcome.status == 2);
    CHECK(outcome.err.starts_with("gpuctl: "));
    CHECK(outcome.err.ends_with("gpuctl --help shows how it is used.\n"));
    CHECK(outcome.out.empty());
    CHECK(program.connections == 0);
  }
}

TEST_CASE("help and version are answers") {
  Program program;
  CHECK(program.run({"--version"}).out.starts_with("gpuctl "));
  CHECK(program.run({"--help"}).out.find("attach") != std::string::npos);
  CHECK(program.run({"--help"}).out.find("__complete") == std::string::npos);
  CHECK(program.run({"attach", "--help"}).out.find("--dry-run") != std::string::npos);
  CHECK(program.run({"attach", "--help"}).status == 0);
  CHECK(program.connections == 0);
}

TEST_CASE("global options stand before or after the command") {
  Program program;
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--json", "--host", "box", "vm", "list"},
        {"vm", "list", "--json", "--host", "box"}}) {
    program.host.clear();
    CHECK(nlohmann::json::parse(program.run(arguments).out) == nlohmann::json::parse(R"({"vms":[]})"));
    CHECK(program.host == "box");
  }
}

TEST_CASE("each error of the daemon has its exit status") {
  const std::vector<std::pair<std::string, int>> table{{"InvalidArgument", 2},
                                                       {"NotFound", 5},
                                                       {"AmbiguousGpu", 2},
                                                       {"NotAuthorized", 4},
                                                       {"Busy", 3},
                                                       {"Blocked", 3},
                                                       {"VmNotFound", 5},
                                                       {"VmRunning", 3},
                                                       {"Cancelled", 1},
                                                       {"LimitsExceeded", 3},
                                                       {"LibvirtUnavailable", 3},
                                                       {"TimedOut", 1},
                                                       {"DeviceGone", 1},
                                                       {"DeviceChanged", 3},
                                                       {"KernelRefused", 1},
                                                       {"NotBound", 1},
                                                       {"NotSupported", 3},
                                                       {"StateUnwritable", 3},
                                                       {"RollbackFailed", 1},
                                                       {"Internal", 1}};
  for (const auto& [name, status] : table) {
    CAPTURE(name);
    Program program;
    program.daemon.failures.emplace("release", refusal(name, "The sentence."));
    const auto outcome = program.run({"release"});
    CHECK(outcome.status == status);
    CHECK(outcome.err.starts_with("gpuctl: The sentence.\n"));
  }
  CHECK(table.size() == gpuctl::error_names.size());
}

TEST_CASE("no error of the daemon is missing from the program's table") {
  constexpr std::string_view unknown = "org.gpuctl1.Error.NoSuchError";
  for (const auto& [code, name] : gpuctl::error_names) {
    CAPTURE(name);
    const auto known = explain("org.gpuctl1.Error." + std::string{name});
    const bool like_unknown =
        known.status == explain(unknown).status && known.remedy == explain(unknown).remedy;
    const bool means_the_log = name == "Internal" || name == "KernelRefused" || name == "NotBound";
    CHECK(like_unknown == means_the_log);
  }
}

TEST_CASE("a daemon that cannot be reached is exit 6, a bus that forbids is exit 4") {
  for (const auto* name : {"ServiceUnknown", "NameHasNoOwner", "NoReply", "NoServer", "Disconnected",
                           "Timeout", "Spawn.ChildExited", "UnknownMethod", "FileNotFound"}) {
    CAPTURE(name);
    Program program;
    program.daemon.failures.emplace("objects",
                                    Failure{std::string{"org.freedesktop.DBus.Error."} + name, "gone"});
    const auto outcome = program.run({"list"});
    CHECK(outcome.status == 6);
    CHECK(outcome.err.find('\n') + 1 < outcome.err.size());
  }
  Program program;
  program.daemon.failures.emplace("objects", Failure{"org.freedesktop.DBus.Error.AccessDenied", "no"});
  CHECK(program.run({"list"}).status == 4);
}

TEST_CASE("a remedy that the daemon gives goes before the program's own") {
  Program program;
  program.daemon.failures.emplace("release", refusal("Busy", "Operation 3 runs.\nWait for it."));
  CHECK(program.run({"release"}).err == "gpuctl: Operation 3 runs.\nWait for it.\n");
}

TEST_CASE("with --json wrong usage is a document too, wherever the word stands") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--json", "bogus"}, {"list", "--frob", "--json"}}) {
    Program program;
    const auto outcome = program.run(arguments);
    CHECK(outcome.status == 2);
    CHECK(nlohmann::json::parse(outcome.out)["error"]["name"] == "InvalidArgument");
    CHECK(outcome.err.starts_with("gpuctl: "));
  }
}

TEST_CASE("what the daemon says about authorization is not said again") {
  Program program;
  program.daemon.failures.emplace("release",
                                  refusal("NotAuthorized", "Not authorized; a polkit rule can allow it."));
  const auto err = program.run({"release"}).err;
  CHECK(err.find("polkit rule") == err.rfind("polkit rule"));
  CHECK(err.find("gpuctl(1)") != std::string::npos);
}

TEST_CASE("boot commands that find no policy say so, and do not speak of GPUs") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"boot", "clear"}, {"boot", "confirm"}}) {
    Program program;
    const auto outcome = program.run(arguments);
    CHECK(outcome.status == 5);
    CHECK(outcome.err.find("gpuctl boot s") != std::string::npos);
    CHECK(outcome.err.find("gpuctl list") == std::string::npos);
  }
}

TEST_CASE("with --json an error is a document too") {
  Program program;
  program.daemon.failures.emplace("release", refusal("Busy", "Operation 3 runs."));
  const auto outcome = program.run({"release", "--json"});
  CHECK(nlohmann::json::parse(outcome.out)["error"]["name"] == "Busy");
  CHECK(outcome.err.starts_with("gpuctl: Operation 3 runs.\n"));
}
