// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/operation_log.hpp"

#include <vector>

#include <doctest/doctest.h>

using namespace gpuctl;

namespace {

struct Log {
  struct Line {
    std::string_view id;
    std::string message;
    LogFields fields;
  };
  EventLoop loop;
  OperationList operations{loop, std::chrono::seconds{60}};
  std::vector<Line> lines;
  OperationLog log{operations,
                   [this](const LogEvent& event, const std::string& message, const LogFields& fields) {
                     lines.push_back({event.message_id, message, fields});
                   }};
  unsigned attach() {
    const auto id = operations.add("attach", *PciSlot::parse("0000:01:00"), "win11", 1000).id;
    operations.set_plan(id, {{StepKind::unbind, "0000:01:00.0", "nvidia", ""}});
    return id;
  }
};

}  // namespace

TEST_CASE("the journal hears when an operation begins and how it ends") {
  Log log;
  const auto id = log.attach();
  log.operations.set_step(id, 0, StepState::running);
  log.operations.set_step(id, 0, StepState::done);
  log.operations.finish(id, OperationState::succeeded, "", "");
  REQUIRE(log.lines.size() == 2);
  CHECK(log.lines[0].id == events::operation_started.message_id);
  CHECK(log.lines[0].message == "attach of 0000:01:00 to \"win11\" (operation 1) has begun");
  CHECK(log.lines[0].fields.gpu == "0000:01:00");
  CHECK(log.lines[0].fields.vm == "win11");
  CHECK(log.lines[0].fields.operation == 1u);
  CHECK(log.lines[0].fields.caller == 1000u);
  CHECK(log.lines[1].id == events::operation_succeeded.message_id);
  CHECK(log.lines[1].fields.step.empty());
}

TEST_CASE("what failed is told with step and error") {
  Log log;
  const auto id = log.attach();
  log.operations.set_step(id, 0, StepState::failed);
  log.operations.finish(id, OperationState::rolled_back, "KernelRefused", "unbind of 0000:01:00.0: EBUSY");
  REQUIRE(log.lines.size() == 2);
  CHECK(log.lines[1].id == events::operation_rolled_back.message_id);
  CHECK(log.lines[1].fields.step == "unbind");
  CHECK(log.lines[1].fields.error == "KernelRefused");
  CHECK(log.lines[1].message.ends_with("rolled-back: unbind of 0000:01:00.0: EBUSY"));
}

TEST_CASE("a refusal found while an operation starts leaves no line") {
  Log log;
  const auto id = log.operations.add("attach", *PciSlot::parse("0000:01:00"), "", 1000).id;
  log.operations.drop(id, {ErrorCode::blocked, "no"});
  CHECK(log.lines.empty());
}

TEST_CASE("a stuck GPU is told once, and so is that it healed") {
  Log log;
  const auto id = log.attach();
  log.operations.update(id, [](Operation& o) { o.stuck = true; });
  log.operations.finish(id, OperationState::failed, "TimedOut", "the kernel has not finished");
  log.operations.update(id, [](Operation& o) { o.stuck = false; });
  log.operations.finish(id, OperationState::rolled_back, "TimedOut", "the kernel came back after all");
  REQUIRE(log.lines.size() == 3);
  CHECK(log.lines[1].id == events::gpu_stuck.message_id);
  CHECK(log.lines[2].id == events::gpu_healed.message_id);
  CHECK(log.lines[2].message.ends_with("the kernel came back after all"));
}

TEST_CASE("cleaning up after a crash has a message of its own") {
  Log log;
  const auto id = log.operations.add("recover", *PciSlot::parse("0000:01:00"), "", 0).id;
  log.operations.set_plan(id, {{StepKind::bind, "0000:01:00.0", "", "nvidia"}});
  REQUIRE(log.lines.size() == 1);
  CHECK(log.lines[0].id == events::recovery_started.message_id);
}
