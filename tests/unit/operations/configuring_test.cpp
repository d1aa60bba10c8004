// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/configuring.hpp"

#include <unistd.h>

#include <doctest/doctest.h>

#include "os/fork_workers.hpp"

using namespace gpuctl;
using namespace std::chrono_literals;

namespace {

/// As many processes as there may be, and no longer.
class FewWorkers : public ForkWorkers {
 public:
  using ForkWorkers::ForkWorkers;
  bool can_start = true;
  std::unique_ptr<Worker> start(const std::string& name, Body body, WorkerHandlers handlers) override {
    if (!can_start) throw Error(ErrorCode::internal, "cannot start a worker");
    return ForkWorkers::start(name, std::move(body), std::move(handlers));
  }
};

struct Configurer {
  EventLoop loop;
  FewWorkers workers{loop, nullptr};
  Configuring configuring{loop, workers};
  std::vector<std::variant<std::string, Error>> answers;

  void run(const std::string& what, Queries::Body body, bool brief = false) {
    configuring.run({what, 0, std::move(body), brief},
                    [this](std::variant<std::string, Error> a) { answers.push_back(std::move(a)); });
  }
  void wait_for(std::size_t count) {
    for (int i = 0; i < 100 && answers.size() < count; ++i) loop.run_once(50ms);
    REQUIRE(answers.size() == count);
  }
  std::string text(std::size_t i) const { return std::get<std::string>(answers.at(i)); }
  const Error& error(std::size_t i) const { return std::get<Error>(answers.at(i)); }
};

/// Ends when its other end is closed.
struct Gate {
  int ends[2]{};
  Gate() { REQUIRE(::pipe(ends) == 0); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() {
    ::close(ends[0]);
    open();
  }
  void open() {
    if (ends[1] >= 0) ::close(ends[1]);
    ends[1] = -1;
  }
  Queries::Body body() const {
    return [read_end = ends[0], write_end = ends[1]] {
      ::close(write_end);
      char byte{};
      return std::string{::read(read_end, &byte, 1) == 0 ? "first" : "too early"};
    };
  }
};

}  // namespace

TEST_CASE("while one change of the configuration runs, another is refused with the name of the first") {
  Configurer configurer;
  Gate gate;
  configurer.run("sets kernel arguments", gate.body());
  configurer.run("sets a boot policy", [] { return std::string{"second"}; });
  CHECK(configurer.answers.empty());  // an answer never comes from inside the call
  configurer.wait_for(1);
  CHECK(configurer.error(0).code() == ErrorCode::busy);
  CHECK(std::string(configurer.error(0).what()) ==
        "gpuctld sets kernel arguments at the moment; try again when that has ended");
  gate.open();
  configurer.wait_for(2);
  CHECK(configurer.text(1) == "first");
}

TEST_CASE("the next change can be made as soon as one has ended, well or not, even from its answer") {
  Configurer configurer;
  configurer.run("sets kernel arguments", []() -> std::string {
    throw Error{ErrorCode::state_unwritable, "disk full"};
  });
  configurer.wait_for(1);
  CHECK(configurer.error(0).code() == ErrorCode::state_unwritable);
  configurer.run("sets kernel arguments", []() -> std::string { ::_exit(9); });
  configurer.wait_for(2);
  CHECK(configurer.error(1).code() == ErrorCode::internal);
  configurer.configuring.run({"a", 0, [] { return std::string{"a"}; }},
                             [&](const auto&) { configurer.run("b", [] { return std::string{"b"}; }); });
  configurer.wait_for(3);
  CHECK(configurer.text(2) == "b");
}

TEST_CASE("nobody is sent away because of what the system does at boot: what comes meanwhile waits in line") {
  Configurer configurer;
  Gate gate;
  configurer.run("applies the boot policy", gate.body(), true);
  configurer.run("confirms a boot policy", [] { return std::string{"second"}; });
  for (int i = 0; i < 5; ++i) configurer.loop.run_once(20ms);
  CHECK(configurer.answers.empty());
  gate.open();
  configurer.wait_for(2);
  CHECK(configurer.text(0) == "first");
  CHECK(configurer.text(1) == "second");
}

TEST_CASE("what the system does at boot waits for what somebody has begun") {
  Configurer configurer;
  Gate gate;
  configurer.run("sets kernel arguments", gate.body());
  configurer.run(
      "applies the boot policy", [] { return std::string{"second"}; }, true);
  for (int i = 0; i < 5; ++i) configurer.loop.run_once(20ms);
  CHECK(configurer.answers.empty());
  gate.open();
  configurer.wait_for(2);
  CHECK(configurer.text(1) == "second");
}

TEST_CASE("of two who wait in line the second is told what the first does") {
  Configurer configurer;
  Gate boot, first;
  configurer.run("applies the boot policy", boot.body(), true);
  configurer.run("sets a boot policy", first.body());
  configurer.run("confirms a boot policy", [] { return std::string{"never"}; });
  boot.open();
  configurer.wait_for(2);
  CHECK(std::string(configurer.error(1).what()).find("sets a boot policy") != std::string::npos);
  first.open();
  configurer.wait_for(3);
  CHECK(configurer.text(2) == "first");
}

TEST_CASE("the line has an end") {
  Configurer configurer;
  Gate gate;
  configurer.run("applies the boot policy", gate.body(), true);
  for (std::size_t i = 0; i <= Configuring::longest_line; ++i)
    configurer.run("confirms a boot policy", [] { return std::string{"later"}; });
  configurer.wait_for(1);
  CHECK(configurer.error(0).code() == ErrorCode::busy);
}

TEST_CASE("it waits longer than the unit that does the work may take") {
  CHECK(Configuring::deadline > Configuring::unit_deadline);
}

TEST_CASE("a change for which no process can be started fails, and holds up nobody") {
  Configurer configurer;
  Gate gate;
  configurer.run("sets kernel arguments", gate.body());
  configurer.run(
      "applies the boot policy", [] { return std::string{"waited"}; }, true);
  configurer.workers.can_start = false;
  gate.open();
  configurer.wait_for(2);
  CHECK(std::string(configurer.error(1).what()) == "cannot start a worker");
  configurer.workers.can_start = true;
  configurer.run("sets a boot policy", [] { return std::string{"next"}; });
  configurer.wait_for(3);
  CHECK(configurer.text(2) == "next");
}
