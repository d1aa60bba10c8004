// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/operation_list.hpp"

#include <doctest/doctest.h>

using namespace gpuctl;
using namespace std::chrono_literals;

namespace {

struct Listing {
  EventLoop loop;
  OperationList list{loop, 20ms};
  int finished = 0;
  int removed = 0;
  Listing() {
    list.observe({[](const Operation&) {}, [](const Operation&) {}, [this](const Operation&) { ++finished; },
                  [this](unsigned) { ++removed; }});
  }
};

}  // namespace

TEST_CASE("a running operation has its GPU to itself") {
  Listing listing;
  const auto id = listing.list.add("attach", {0, 1, 0}, {}, 1000).id;
  CHECK(listing.list.running_on({0, 1, 0})->id == id);
  CHECK(listing.list.running_on({0, 2, 0}) == nullptr);
  listing.list.finish(id, OperationState::succeeded, {}, "done");
  CHECK(listing.list.running_on({0, 1, 0}) == nullptr);
  CHECK_FALSE(listing.list.busy());
}

TEST_CASE("a finished operation stays listed for its time, then goes") {
  Listing listing;
  const auto id = listing.list.add("attach", {0, 1, 0}, {}, 1000).id;
  listing.list.finish(id, OperationState::rolled_back, "KernelRefused", "no");
  REQUIRE(listing.list.find(id) != nullptr);
  CHECK(listing.list.find(id)->error == "KernelRefused");
  for (int i = 0; i < 20 && listing.removed == 0; ++i) listing.loop.run_once(10ms);
  CHECK(listing.removed == 1);
  CHECK(listing.list.find(id) == nullptr);
}

TEST_CASE("an operation ends once; what is learnt later changes its message only") {
  Listing listing;
  const auto id = listing.list.add("attach", {0, 1, 0}, {}, 0).id;
  listing.list.finish(id, OperationState::failed, "TimedOut", "stuck");
  listing.list.finish(id, OperationState::rolled_back, "TimedOut", "came back");
  CHECK(listing.finished == 1);
  CHECK(listing.list.find(id)->state == OperationState::failed);
  CHECK(listing.list.find(id)->message == "came back");
}

TEST_CASE("who has seen an operation that is refused then learns that it failed, and why, before it goes") {
  Listing listing;
  std::vector<std::string> seen;
  listing.list.observe({[](const Operation&) {},
                        [&](const Operation& o) { seen.push_back(o.error + ": " + o.message); },
                        [](const Operation&) {}, [&](unsigned) { seen.emplace_back("removed"); }});
  const auto id = listing.list.add("attach", {0, 1, 0}, {}, 1000).id;
  listing.list.drop(id, {ErrorCode::blocked, "in the way"});
  CHECK(seen == std::vector<std::string>{"Blocked: in the way", "removed"});
  CHECK(listing.finished == 0);
  CHECK(listing.list.find(id) == nullptr);
}

TEST_CASE("a stuck operation keeps its GPU though it has ended") {
  Listing listing;
  const auto id = listing.list.add("attach", {0, 1, 0}, {}, 0).id;
  listing.list.update(id, [](Operation& o) { o.stuck = true; });
  listing.list.finish(id, OperationState::failed, "TimedOut", "stuck");
  CHECK(listing.list.running_on({0, 1, 0}) != nullptr);
}

TEST_CASE("the record of a stuck operation stays until the kernel has let go, and then has its time") {
  Listing listing;
  const auto id = listing.list.add("attach", {0, 1, 0}, {}, 0).id;
  listing.list.update(id, [](Operation& o) { o.stuck = true; });
  listing.list.finish(id, OperationState::failed, "TimedOut", "stuck");
  for (int i = 0; i < 20; ++i) listing.loop.run_once(10ms);
  CHECK(listing.removed == 0);
  listing.list.update(id, [](Operation& o) { o.stuck = false; });
  CHECK(listing.list.find(id) != nullptr);
  for (int i = 0; i < 20 && listing.removed == 0; ++i) listing.loop.run_once(10ms);
  CHECK(listing.removed == 1);
}

TEST_CASE("one user's flood costs nobody else a record") {
  Listing listing;
  const auto end = [&](std::uint32_t uid) {
    const auto id = listing.list.add("release", {0, 1, 0}, {}, uid).id;
    listing.list.finish(id, OperationState::succeeded, {}, "nothing to do");
    return id;
  };
  const auto others = end(0), first = end(1000);
  for (std::size_t i = 0; i < 2 * OperationList::max_listed; ++i) end(1000);
  CHECK(listing.list.all().size() == OperationList::max_listed);
  CHECK(listing.list.find(others) != nullptr);
  CHECK(listing.list.find(first) == nullptr);
}

TEST_CASE("states read back") {
  for (const auto s : {OperationState::running, OperationState::succeeded, OperationState::rolled_back,
                       OperationState::failed, OperationState::cancelled})
    CHECK(operation_state(to_string(s)) == s);
}

TEST_CASE("who waits for a GPU that is held is told when it is free") {
  Listing listing;
  int told = 0;
  {
    const auto held = listing.list.hold({0, 1, 0});
    CHECK(listing.list.is_held({0, 1, 0}));
    CHECK_FALSE(listing.list.is_held({0, 2, 0}));
    listing.list.once_free({0, 1, 0}, [&] { ++told; });
    listing.loop.run_once(0ms);
    CHECK(told == 0);
  }
  CHECK_FALSE(listing.list.is_held({0, 1, 0}));
  listing.loop.run_once(10ms);
  CHECK(told == 1);
}
