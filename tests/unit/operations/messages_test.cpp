// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/messages.hpp"

#include <doctest/doctest.h>

#include "operations/requests.hpp"

using namespace gpuctl;
using messages::Json;

TEST_CASE("what a look has found reads back as it was sent") {
  Binding before;
  before.gpu = *PciAddress::parse("0000:01:00.0");
  before.functions.push_back(
      {before.gpu, {0x10de, 0x25a0, 0x1043, 0x1ccc, 0x030000}, "nvidia", "nvidia", "", "auto", true});
  auto home = before;
  home.stopped_units = {"nvidia-persistenced.service"};
  home.vm = "uuid";
  Prepared sent{
      {{{"foreign-device", Severity::blocker, "0000:02:00.0", "A NIC is in the group.", "Move it."}},
       {{StepKind::set_override, "0000:01:00.0", "", "vfio-pci"}, {StepKind::vm_start, "uuid", "", ""}},
       "win11",
       "uuid"},
      {"attach", {}, before, home, "uuid", 1000},
      {{"nvidia-persistenced.service"}, {"card1"}, {"nvidia_drm"}, {812, 4711}}};
  sent.transaction.plan = sent.survey.plan;
  const auto read = messages::prepared(Json::parse(messages::prepared(sent)));
  CHECK(read.survey.problems == sent.survey.problems);
  CHECK(read.survey.plan == sent.survey.plan);
  CHECK(read.survey.vm_name == sent.survey.vm_name);
  CHECK(read.survey.vm_uuid == sent.survey.vm_uuid);
  CHECK(read.transaction == sent.transaction);
  CHECK(read.quiesce == sent.quiesce);
}

TEST_CASE("text that is not UTF-8 does not break a message") {
  const auto json = Json::parse(messages::error(Error{ErrorCode::busy, "caf\xe9"}));
  CHECK(messages::error(json).code() == ErrorCode::busy);
}

TEST_CASE("every severity reads back") {
  for (const auto s : {Severity::blocker, Severity::warning, Severity::info, Severity::ok})
    CHECK(messages::problem(messages::problem(Problem{"id", s, "", "", ""})).severity == s);
}

TEST_CASE("a refusal ends each problem's sentence before its remedy, and leaves out what does not block") {
  const auto error = blocked_error({{"a", Severity::blocker, "x", "there is no IOMMU", "gpuctl doctor"},
                                    {"b", Severity::warning, "x", "Slow.", "Wait."},
                                    {"c", Severity::blocker, "x", "It is held.", ""}});
  CHECK(error.code() == ErrorCode::blocked);
  CHECK(std::string{error.what()} == "a: there is no IOMMU. gpuctl doctor\nc: It is held.");
}
