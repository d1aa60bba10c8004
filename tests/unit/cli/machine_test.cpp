// SPDX-License-Identifier: GPL-2.0-or-later
// kernel-args, boot, doctor --report.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "unit/cli/canned_client.hpp"

using namespace gpuctl::cli;
using namespace gpuctl::cli::test;

namespace {

using Calls = std::vector<std::string>;

const std::string diff =
    "--- /etc/default/grub\n+++ /etc/default/grub\n+intel_iommu=on\n# run: update-grub\n";

Program machine() {
  Program program;
  program.daemon.diff = diff;
  program.daemon.sentence = "It holds from the next boot on.";
  program.daemon.kernel_arguments = {"grub-drop-in",
                                     "GRUB, a file in /etc/default/grub.d",
                                     {"quiet"},
                                     {"quiet"},
                                     {"intel_iommu=on"},
                                     {},
                                     "The IOMMU needs one argument.",
                                     false,
                                     false};
  return program;
}

const BootPolicy on_trial{"0000:01:00.0", "vm", "trial", "10de:25a0", false, false};
const BootPolicy kept{"0000:02:00.0", "last", "confirmed", "1002:744c", false, false};

}  // namespace

TEST_CASE("kernel-args show tells what is, what will be, and what is missing") {
  auto program = machine();
  CHECK(program.run({"kernel-args", "show"}).out ==
        "mechanism\tgrub-drop-in\ncurrent\tquiet\nconfigured\tquiet\nadd\tintel_iommu=on\nremove\t-\n"
        "advice\tThe IOMMU needs one argument.\nreboot-needed\tno\n");
  const auto json = nlohmann::json::parse(program.run({"kernel-args", "show", "--json"}).out);
  CHECK(json["add"] == nlohmann::json{"intel_iommu=on"});
  CHECK(json["reboot_needed"] == false);
}

TEST_CASE("kernel-args enable shows its change first, plan shows it only") {
  auto program = machine();
  CHECK(program.run({"kernel-args", "plan", "--passthrough", "--drop-vfio-ids"}).out == diff);
  CHECK(program.daemon.calls == Calls{"plan_kernel_arguments passthrough drop-vfio-ids"});
  program.daemon.calls.clear();
  program.terminal = true;
  CHECK(program.run({"kernel-args", "enable"}).out == diff + "It holds from the next boot on.\n");
  CHECK(program.daemon.calls == Calls{"plan_kernel_arguments", "enable_kernel_arguments"});
}

TEST_CASE("kernel-args enable asks nobody for a password when there is nothing to do") {
  auto program = machine();
  program.daemon.diff.clear();
  CHECK(program.run({"kernel-args", "enable"}).status == 0);
  CHECK(program.daemon.calls == Calls{"plan_kernel_arguments"});
}

TEST_CASE("kernel-args enable --json tells whether it was applied") {
  auto program = machine();
  const auto json = nlohmann::json::parse(program.run({"kernel-args", "enable", "--json"}).out);
  CHECK(json["applied"] == true);
  CHECK(json["message"] == "It holds from the next boot on.");
}

TEST_CASE("a boot loader that gpuctl does not change gives instructions and exit 3") {
  auto program = machine();
  program.daemon.failures.emplace("plan_kernel_arguments",
                                  refusal("NotSupported", "add these by hand:\nintel_iommu=on"));
  const auto outcome = program.run({"kernel-args", "enable"});
  CHECK(outcome.status == 3);
  CHECK(outcome.err == "gpuctl: add these by hand:\nintel_iommu=on\n");
}

TEST_CASE("boot show lists the policies with what is to be done about them") {
  Program program;
  program.daemon.policies = {on_trial, kept};
  CHECK(program.run({"boot", "show"}).out ==
        "0000:01:00.0\tvm\ttrial\t10de:25a0\tgpuctl boot confirm keeps it\n"
        "0000:02:00.0\tlast\tconfirmed\t1002:744c\t-\n");
  const auto json = nlohmann::json::parse(program.run({"boot", "show", "--json"}).out);
  CHECK(json["policies"][0]["state"] == "trial");
}

TEST_CASE("boot set and clear name the GPU and the side") {
  auto program = machine();
  CHECK(program.run({"boot", "set", "01:00", "vm", "--migrate"}).out == "It holds from the next boot on.\n");
  CHECK(program.daemon.calls.back() == "set_boot_policy '01:00' vm migrate");
  program.run({"boot", "set", "01:00", "clear"});
  CHECK(program.daemon.calls.back() == "set_boot_policy '01:00' clear");
  program.run({"boot", "clear", "01:00"});
  CHECK(program.daemon.calls.back() == "set_boot_policy '01:00' clear");
  CHECK(program.run({"boot", "set", "01:00"}).status == 2);
  CHECK(program.run({"boot", "set", "01:00", "guest"}).status == 2);
}

TEST_CASE("boot clear without a GPU means the only one that has a policy") {
  Program program;
  CHECK(program.run({"boot", "clear"}).status == 5);
  program.daemon.policies = {on_trial};
  CHECK(program.run({"boot", "clear"}).status == 0);
  CHECK(program.daemon.calls.back() == "set_boot_policy '0000:01:00.0' clear");
  program.daemon.policies = {on_trial, kept};
  CHECK(program.run({"boot", "clear"}).status == 2);
}

TEST_CASE("boot confirm without a GPU keeps what is on trial and nothing else") {
  Program program;
  program.daemon.policies = {kept};
  CHECK(program.run({"boot", "confirm"}).status == 5);
  program.daemon.policies = {on_trial, kept};
  CHECK(program.run({"boot", "confirm"}).status == 0);
  CHECK(program.daemon.calls.back() == "confirm_boot_policy '0000:01:00.0'");
}

TEST_CASE("boot confirm confirms the others where one GPU is not there") {
  Program program;
  auto second = kept;
  second.state = "trial";
  program.daemon.policies = {on_trial, second};
  program.daemon.failures = {
      {"confirm_boot_policy '0000:01:00.0'", {"org.gpuctl1.Error.NotFound", "No GPU fits 0000:01:00.0."}}};
  const auto outcome = program.run({"boot", "confirm"});
  CHECK(outcome.status == 5);
  CHECK(outcome.err.find("No GPU fits 0000:01:00.0.") != std::string::npos);
  CHECK(outcome.err.find("The other policies on trial are confirmed.") != std::string::npos);
  CHECK(program.daemon.calls.back() == "confirm_boot_policy '0000:02:00.0'");
}

TEST_CASE("boot apply tells which GPUs could not be moved") {
  Program program;
  CHECK(program.run({"boot", "apply"}).status == 0);
  program.daemon.problems = {
      {"other-card", "blocker", "0000:01:00.0", "Another card is there.", "Set it again."}};
  CHECK(program.run({"boot", "apply"}).status == 3);
}

TEST_CASE("doctor --report writes the report to the file, and still tells how the machine is") {
  auto name = (std::filesystem::temp_directory_path() / "gpuctl-report-XXXXXX").string();
  const int fd = mkstemp(name.data());
  REQUIRE(fd >= 0);
  close(fd);
  Program program;
  program.daemon.report = "{\"report\": 1}\n";
  const auto outcome = program.run({"doctor", "--report", name});
  std::ifstream file{name};
  CHECK(std::string{std::istreambuf_iterator<char>{file}, {}} == program.daemon.report);
  CHECK(outcome.out == "ready\n");
  std::remove(name.c_str());
}
