// SPDX-License-Identifier: GPL-2.0-or-later
// The fault run: every fault at every effect, and the pairs that matter - one in some, or all with
// GPUCTL_FAULTS=all.
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "scenario.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const std::array<Case, 4> cases{{{"reference laptop", reference_laptop, Verb::attach},
                                 {"reference laptop", reference_laptop, Verb::release},
                                 {"four-function card", four_function_card, Verb::attach},
                                 {"four-function card", four_function_card, Verb::release}}};

/// One of so many pairs is played, evenly spread. A prime, so that no kind of fault is left out by the step.
std::size_t pairs_for_one() {
  const auto* wanted = std::getenv("GPUCTL_FAULTS");
  return wanted != nullptr && std::string_view{wanted} == "all" ? 1 : 31;
}

/// What DOMAIN and the kernel's stores name for a sysfs write, and what may befall any.
constexpr std::array write_errors{EBUSY, ENODEV, EINVAL, EIO, ENOMEM, EACCES, EPERM, EAGAIN, EINTR, ENOTTY};
constexpr std::array state_errors{ENOSPC, EROFS, EIO, EDQUOT};

bool on_state(const std::string& effect) { return effect.find("state ") != std::string::npos; }
bool on_function(const std::string& effect) {
  return !on_state(effect) && effect.find(" 0000:") != std::string::npos;
}
bool on_module(const std::string& effect) {
  return effect.starts_with("loading ") || effect.starts_with("unloading ");
}

/// All that can go wrong at one effect.
std::vector<Fault> faults_for(const std::string& effect) {
  std::vector<Fault> faults{{FaultKind::crash_before}, {FaultKind::crash_after}};
  if (on_state(effect)) {
    for (const auto error : state_errors) faults.push_back({FaultKind::error, error});
    return faults;
  }
  for (const auto error : write_errors) faults.push_back({FaultKind::error, error});
  if (effect.starts_with("domain")) return faults;
  for (const auto kind : {FaultKind::late, FaultKind::hang}) faults.push_back({kind});
  // systemd's word on a unit is the proof; modprobe@.service hides failures.
  if (on_function(effect) || on_module(effect)) faults.push_back({FaultKind::no_effect});
  if (!on_function(effect)) return faults;
  for (const auto kind : {FaultKind::vanish, FaultKind::all_ones}) faults.push_back({kind});
  return faults;
}

bool may_befall(const Fault& fault, const std::string& effect) {
  if (on_state(effect)) return false;
  const bool killed = fault.kind == FaultKind::crash_before || fault.kind == FaultKind::crash_after;
  return killed || fault.kind == FaultKind::error || on_function(effect);
}

/// Counts, and says what broke.
class Tally {
 public:
  explicit Tally(std::string title) : title_(std::move(title)) {}
  ~Tally() {
    fmt::print("{}: {} scenarios", title_, count_);
    if (count_ < met_) fmt::print(" of {}", met_);
    for (const auto& [ending, n] : endings_) fmt::print(", {} {}", n, ending);
    fmt::print("; {} broken\n", broken_);
    std::fflush(stdout);
  }
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;

  void play(const Case& each, const FaultsAt& faults, const std::string& what) {
    const auto verdict = test::play(each, faults);
    ++count_;
    ++endings_[verdict.ending];
    if (verdict.broken.empty()) return;
    ++broken_;
    if (broken_ <= 20)
      MESSAGE(title_ << ": " << what << ": " << fmt::format("{}", fmt::join(verdict.broken, "; ")));
  }
  /// Whether the next pair is one of those to play.
  bool next_pair() { return met_++ % pairs_for_one() == 0; }
  std::size_t count() const { return count_; }
  std::size_t broken() const { return broken_; }

 private:
  std::string title_;
  std::size_t met_{}, count_{}, broken_{};
  std::map<std::string, std::size_t> endings_;
};

std::string described(const Fault& fault) {
  constexpr std::array names{"error", "killed before", "killed after", "hang",
                             "late",  "no effect",     "vanish",       "all ones"};
  return fmt::format("{}{}", names.at(static_cast<std::size_t>(fault.kind)),
                     fault.number == 0 ? "" : fmt::format(" {}", ::strerrorname_np(fault.number)));
}

using EffectsUnder = std::vector<std::string> (*)(const Case&, const FaultsAt&);

/// `first` at each effect on the machine, and then each of `second` at each such effect that `until` sees
/// after it: those of the rollback or the recovery. Writes of state are points of single faults only: being
/// killed around them is being killed before or after the effect that they speak of.
void for_each_pair(const Case& each, const Fault& first, EffectsUnder until, const std::vector<Fault>& second,
                   Tally& tally) {
  const auto effects = effects_of(each);
  for (std::size_t i = 0; i < effects.size(); ++i) {
    if (on_state(effects[i])) continue;
    const FaultsAt one{{i, first}};
    const auto end = until(each, one);
    for (auto j = i + 1; j < end.size(); ++j)
      for (const auto& fault : second) {
        if (!may_befall(fault, end[j]) || !tally.next_pair()) continue;
        auto both = one;
        both[j] = fault;
        tally.play(each, both,
                   fmt::format("{} at {} ({}), {} at {} ({})", described(first), i, effects[i],
                               described(fault), j, end[j]));
      }
  }
}

long resident_kib() {
  const auto pages = RootDir{"/proc/self"}.text("statm");
  return std::atol(pages.c_str() + pages.find(' ')) * (::sysconf(_SC_PAGESIZE) / 1024);
}

}  // namespace

TEST_CASE("every fault at every effect leaves the GPU whole on one side, and usable") {
  std::size_t all = 0;
  for (const auto& each : cases) {
    Tally tally{"single faults, " + each.name()};
    const auto effects = effects_of(each);
    for (std::size_t i = 0; i < effects.size(); ++i)
      for (const auto& fault : faults_for(effects[i]))
        tally.play(each, {{i, fault}}, fmt::format("{} at {} ({})", described(fault), i, effects[i]));
    CHECK(tally.broken() == 0);
    all += tally.count();
  }
  CHECK(all >= 300);
}

TEST_CASE("killed anywhere in a rollback, recovery finishes it") {
  for (const auto& each : cases) {
    Tally tally{"killed in the rollback, " + each.name()};
    for_each_pair(each, {FaultKind::error, EIO}, effects_until_end,
                  {{FaultKind::crash_before}, {FaultKind::crash_after}}, tally);
    CHECK(tally.broken() == 0);
  }
}

TEST_CASE("killed in the operation and again anywhere in its recovery, the next recovery finishes it") {
  for (const auto& each : cases) {
    Tally tally{"killed twice, " + each.name()};
    for_each_pair(each, {FaultKind::crash_after}, effects_with_recovery,
                  {{FaultKind::crash_before}, {FaultKind::crash_after}}, tally);
    CHECK(tally.broken() == 0);
  }
}

TEST_CASE("a rollback whose own writes fail says what is left, and recovery finishes it") {
  std::size_t pairs = 0;
  for (const auto& each : cases) {
    Tally tally{"double faults, " + each.name()};
    for_each_pair(each, {FaultKind::error, EIO}, effects_until_end,
                  {{FaultKind::error, EBUSY}, {FaultKind::no_effect}, {FaultKind::vanish}}, tally);
    CHECK(tally.broken() == 0);
    pairs += tally.count();
  }
  CHECK(pairs >= 500 / pairs_for_one());
}

TEST_CASE("a rollback or a recovery that hangs is healed when the kernel lets go") {
  for (const auto& each : cases) {
    Tally tally{"hang in the rollback or recovery, " + each.name()};
    for_each_pair(each, {FaultKind::error, EIO}, effects_until_end, {{FaultKind::hang}}, tally);
    for_each_pair(each, {FaultKind::crash_after}, effects_with_recovery, {{FaultKind::hang}}, tally);
    CHECK(tally.broken() == 0);
  }
}

TEST_CASE("round trips leak no file descriptor and no memory") {
  const auto* wanted = std::getenv("GPUCTL_ROUND_TRIPS");
  const int round_trips = wanted != nullptr ? std::atoi(wanted) : 100;
  World world{reference_laptop};
  const auto round_trip = [&] {
    REQUIRE(world.run(world.attach()).ending == Ending::succeeded);
    REQUIRE(world.run(world.release()).ending == Ending::succeeded);
  };
  for (int i = 0; i < 20; ++i) round_trip();
  const auto descriptors = RootDir{"/proc/self/fd"}.list(".").size();
  const auto memory = resident_kib();
  for (int i = 0; i < round_trips; ++i) {
    round_trip();
    world.kernel.faults().forget();
  }
  fmt::print("round trips: {}; resident memory grew by {} KiB\n", round_trips, resident_kib() - memory);
  CHECK(RootDir{"/proc/self/fd"}.list(".").size() == descriptors);
  CHECK(resident_kib() - memory < 256);
}
