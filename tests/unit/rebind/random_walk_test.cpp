// SPDX-License-Identifier: GPL-2.0-or-later
// Attach and release at random, with errors and kills at random effects, beside a model of two sides:
// whatever happened, the GPU is whole on the side that the model says, recorded exactly when it is away, and
// no journal is left. GPUCTL_WALK: how many steps (default 300; 100000 by hand).
#include <array>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <random>

#include <doctest/doctest.h>

#include "world.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

enum class Side { host, vfio };

int steps() {
  const char* wanted = std::getenv("GPUCTL_WALK");
  return wanted == nullptr ? 300 : std::atoi(wanted);
}

class Walk {
 public:
  void step() {
    world_.kernel.faults().forget();
    world_.kernel.faults().clear();
    if (below(2) == 0) world_.kernel.faults().at(below(30), fault());
    const auto from = side_;
    try {
      expect(from, world_.run(from == Side::host ? world_.attach() : world_.release()));
    } catch (const Crash&) {
      recovered();
    }
    check();
  }
  const std::map<std::string, int>& counts() const { return counts_; }

 private:
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>{0, limit - 1}(random_);
  }

  Fault fault() {
    constexpr std::array errors{EBUSY, ENODEV, EINVAL, EIO, ENOMEM, EACCES};
    const auto which = below(errors.size() + 2);
    if (which == errors.size()) return {FaultKind::crash_before};
    if (which > errors.size()) return {FaultKind::crash_after};
    return {FaultKind::error, errors.at(which)};
  }

  void expect(Side from, const Outcome& outcome) {
    CAPTURE(outcome.message);
    ++counts_[std::string{to_string(outcome.ending)}];
    REQUIRE(outcome.left == std::vector<std::string>{});
    if (outcome.ending == Ending::succeeded) side_ = from == Side::host ? Side::vfio : Side::host;
  }

  /// A killed attach is taken back, and a killed release finished.
  void recovered() {
    ++counts_["killed"];
    world_.kernel.faults().clear();
    for (const auto& outcome : world_.recover()) REQUIRE(outcome.ending == Ending::succeeded);
    side_ = world_.recorded() ? Side::vfio : Side::host;
  }

  void check() {
    const auto wrong = side_ == Side::host ? world_.not_home() : world_.not_on_vfio();
    REQUIRE(wrong == std::vector<std::string>{});
    REQUIRE(world_.recorded() == (side_ == Side::vfio));
    REQUIRE(world_.journal_empty());
  }

  World world_{reference_laptop};
  Side side_ = Side::host;
  std::mt19937 random_{1};  // NOLINT: the same walk each time
  std::map<std::string, int> counts_;
};

}  // namespace

TEST_CASE("a random walk of attaches and releases with errors and kills stays with its model") {
  Walk walk;
  for (int number = 0; number < steps(); ++number) {
    CAPTURE(number);
    walk.step();
  }
  for (const auto* what : {"succeeded", "rolled-back", "killed"}) CHECK(walk.counts().contains(what));
}
