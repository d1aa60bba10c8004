// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/queries.hpp"

#include <unistd.h>

#include <doctest/doctest.h>

#include "os/fork_workers.hpp"

using namespace gpuctl;
using namespace std::chrono_literals;

namespace {

struct Asker {
  explicit Asker(std::chrono::milliseconds patience = 30s) : queries{loop, workers, patience} {}
  EventLoop loop;
  ForkWorkers workers{loop, nullptr};
  Queries queries;
  std::vector<std::variant<std::string, Error>> answers;
  void ask(Queries::Body body, std::uint32_t uid = 1000) {
    queries.ask("test", uid, std::move(body),
                [this](std::variant<std::string, Error> a) { answers.push_back(std::move(a)); });
  }
  void wait_for(std::size_t count) {
    for (int i = 0; i < 100 && answers.size() < count; ++i) loop.run_once(50ms);
    REQUIRE(answers.size() == count);
  }
  ErrorCode code(std::size_t i) const { return std::get<Error>(answers.at(i)).code(); }
};

std::string wait_for_ever() {
  while (true) ::pause();
}

}  // namespace

TEST_CASE("a query's answer arrives") {
  Asker asker;
  asker.ask([] { return std::string{"42"}; });
  asker.wait_for(1);
  CHECK(std::get<std::string>(asker.answers[0]) == "42");
}

TEST_CASE("what a query throws is its answer") {
  Asker asker;
  asker.ask([]() -> std::string { throw Error{ErrorCode::vm_not_found, "no such VM"}; });
  asker.wait_for(1);
  CHECK(asker.code(0) == ErrorCode::vm_not_found);
}

TEST_CASE("a query that hangs is given up, and one that dies is an error") {
  Asker asker{2s};
  asker.ask(wait_for_ever);
  asker.wait_for(1);
  CHECK(asker.code(0) == ErrorCode::timed_out);
  asker.ask([]() -> std::string { ::_exit(9); });
  asker.wait_for(2);
  CHECK(asker.code(1) == ErrorCode::internal);
}

TEST_CASE("one user's queries do not use up everybody's") {
  Asker asker{2s};
  for (std::size_t i = 0; i < Queries::max_per_uid + 2; ++i) asker.ask(wait_for_ever, 1000);
  asker.ask([] { return std::string{"other"}; }, 1001);
  asker.wait_for(Queries::max_per_uid + 3);
  std::size_t refused = 0;
  bool other = false;
  for (const auto& a : asker.answers) {
    if (const auto* e = std::get_if<Error>(&a))
      refused += e->code() == ErrorCode::limits_exceeded ? 1 : 0;
    else
      other = true;
  }
  CHECK(refused == 2);
  CHECK(other);
}

TEST_CASE("whether a user may ask is known before anything is done for the question") {
  Asker asker;
  CHECK_NOTHROW(asker.queries.require_room(1000));
  for (std::size_t i = 0; i < Queries::max_per_uid; ++i) asker.ask(wait_for_ever, 1000);
  CHECK_THROWS_AS(asker.queries.require_room(1000), Error);
  CHECK_NOTHROW(asker.queries.require_room(1001));
}
