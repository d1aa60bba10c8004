// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/gate.hpp"

#include <optional>

#include <doctest/doctest.h>

using namespace gpuctl;

namespace {

/// Answers at once from a list that a test edits.
struct ListedAuthorizer : Authorizer {
  std::map<std::string, Verdict> verdicts;
  std::vector<AuthorizationRequest> asked;
  void check(AuthorizationRequest request, std::function<void(Verdict)> answer) override {
    asked.push_back(request);
    const auto it = verdicts.find(request.action);
    answer(it == verdicts.end() ? Verdict::denied : it->second);
  }
};

struct Attempt {
  ListedAuthorizer authorizer;
  bool allowed = false;
  std::optional<ErrorCode> refused;
  std::optional<std::chrono::milliseconds> patience;
  void run(std::vector<std::string> actions) {
    Gate gate{authorizer};
    gate.pass(
        {{":1.7", 1000}, std::move(actions), {{"gpu", "0000:01:00.0"}}, true, patience},
        [this] { allowed = true; }, [this](const Error& e) { refused = e.code(); });
  }
};

}  // namespace

TEST_CASE("an action nobody has allowed is refused") {
  Attempt attempt;
  attempt.run({"org.gpuctl1.attach"});
  CHECK_FALSE(attempt.allowed);
  CHECK(attempt.refused == ErrorCode::not_authorized);
}

TEST_CASE("all actions must be granted, and the first refusal ends it") {
  Attempt attempt;
  attempt.authorizer.verdicts = {{"org.gpuctl1.attach", Verdict::allowed}};
  attempt.run({"org.gpuctl1.attach", "org.gpuctl1.force"});
  CHECK_FALSE(attempt.allowed);
  CHECK(attempt.refused == ErrorCode::not_authorized);
  CHECK(attempt.authorizer.asked.size() == 2);
}

TEST_CASE("polkit's rules find every detail, if only as an empty one") {
  Attempt attempt;
  attempt.run({"org.gpuctl1.attach"});
  CHECK(
      attempt.authorizer.asked[0].details ==
      std::map<std::string, std::string>{{"gpu", "0000:01:00.0"}, {"name", ""}, {"vm", ""}, {"driver", ""}});
}

TEST_CASE("every action is waited for as long as the caller of the gate says") {
  Attempt attempt;
  attempt.authorizer.verdicts = {{"a", Verdict::allowed}, {"b", Verdict::allowed}};
  attempt.run({"a"});
  attempt.patience = std::chrono::milliseconds{7};
  attempt.run({"a", "b"});
  CHECK_FALSE(attempt.authorizer.asked.at(0).patience);
  CHECK(attempt.authorizer.asked.at(1).patience == attempt.patience);
  CHECK(attempt.authorizer.asked.at(2).patience == attempt.patience);
}

TEST_CASE("what is granted runs, and polkit heard who asked for what") {
  Attempt attempt;
  attempt.authorizer.verdicts = {{"org.gpuctl1.attach", Verdict::allowed}};
  attempt.run({"org.gpuctl1.attach"});
  CHECK(attempt.allowed);
  CHECK_FALSE(attempt.refused);
  CHECK(attempt.authorizer.asked[0].caller.bus_name == ":1.7");
  CHECK(attempt.authorizer.asked[0].details.at("gpu") == "0000:01:00.0");
}

TEST_CASE("where the configuration says that nobody is asked, polkit is told so, whatever the caller wants") {
  ListedAuthorizer authorizer;
  const Passage passage{{":1.7", 1000}, {"org.gpuctl1.attach"}, {}, true};
  for (const bool may_ask : {true, false})
    Gate{authorizer, may_ask}.pass(
        passage, [] {}, [](const Error&) {});
  REQUIRE(authorizer.asked.size() == 2);
  CHECK(authorizer.asked[0].interactive);
  CHECK_FALSE(authorizer.asked[1].interactive);
}

TEST_CASE("a challenge nobody can answer is a no, and a full queue has an error of its own") {
  Attempt attempt;
  attempt.authorizer.verdicts = {
      {"a", Verdict::challenge}, {"b", Verdict::over_limit}, {"c", Verdict::no_answer}};
  attempt.run({"a"});
  CHECK(attempt.refused == ErrorCode::not_authorized);
  attempt.run({"b"});
  CHECK(attempt.refused == ErrorCode::limits_exceeded);
  attempt.run({"c"});
  CHECK(attempt.refused == ErrorCode::not_authorized);
  CHECK_FALSE(attempt.allowed);
}
