// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/messages.hpp"

#include <doctest/doctest.h>

#include "operations/requests.hpp"

using namespace gpuctl;
using messages::Json;

TEST_CASE("a survey reads back as it was sent") {
  const Survey sent{
      {{"foreign-device", Severity::blocker, "0000:02:00.0", "A NIC is in the group.", "Move it."}},
      {{StepKind::set_override, "0000:01:00.0", "", "vfio-pci"}, {StepKind::vm_start, "uuid", "", ""}},
      "win11",
      "uuid"};
  const auto read = messages::survey(Json::parse(messages::survey(sent)));
  CHECK(read.problems == sent.problems);
  CHECK(read.plan == sent.plan);
  CHECK(read.vm_name == sent.vm_name);
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
