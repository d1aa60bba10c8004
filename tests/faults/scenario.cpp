// SPDX-License-Identifier: GPL-2.0-or-later
#include "scenario.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gpuctl::test {
namespace {

constexpr int patience = 5;

class Scenario {
 public:
  Scenario(const Case& each, const FaultsAt& faults) : case_(each), world_(each.build) {
    if (case_.verb == Verb::release)
      expect(world_.run(world_.attach()).ending == Ending::succeeded, "no first attach");
    start_ = world_.kernel.faults().seen().size();
    for (const auto& [effect, fault] : faults) world_.kernel.faults().at(start_ + effect, fault);
    for (const auto& [effect, fault] : faults) kinds_.push_back(fault.kind);
    if (!faults.empty()) first_ = faults.begin()->first;
    for (const auto address : world_.gpu().functions)
      config_[address] = world_.root.read("sys/bus/pci/devices/" + address.str() + "/config").value_or("");
  }

  Verdict play() {
    operate();
    if (verdict_.ending == "hung") look_at_stuck();
    recover();
    keep_promises();
    go_on();
    verdict_.effects = effects();
    return verdict_;
  }

  /// Whatever its end, until it ends.
  void operate() {
    try {
      const auto transaction = case_.verb == Verb::attach ? world_.attach() : world_.release();
      plan_ = transaction.plan;
      outcome_ = world_.run(transaction);
      verdict_.ending = to_string(outcome_->ending);
      told_ += outcome_->message;
      check_outcome();
    } catch (const Crash&) {
      verdict_.ending = "killed";
    } catch (const Hang&) {
      verdict_.ending = "hung";
    }
  }

  /// Restarts of the daemon, each of which may be killed as well.
  void recover() {
    for (int i = 0; i < patience; ++i) try {
        const auto outcomes = world_.recover();
        for (const auto& outcome : outcomes) told_ += outcome.message;
        if (outcomes.empty()) return;
        if (std::ranges::all_of(outcomes, [](const Outcome& o) { return o.ending == Ending::succeeded; }))
          return;
        last_recovery_ = outcomes.back().message;
      } catch (const Crash&) {
        ++kills_;
      } catch (const Hang&) {
        look_at_stuck();
      }
  }

  std::vector<std::string> seen() const {
    const auto& all = world_.kernel.faults().seen();
    return {all.begin() + static_cast<std::ptrdiff_t>(start_), all.end()};
  }
  std::size_t effects() const { return world_.kernel.faults().seen().size() - start_; }

 private:
  void expect(bool kept, const std::string& promise) {
    if (!kept) verdict_.broken.push_back(promise);
  }
  bool had(FaultKind kind) const { return std::ranges::find(kinds_, kind) != kinds_.end(); }
  bool whole() const { return world_.gpu().functions.size() == config_.size(); }
  bool dead() const {
    return ids_in_config_space(world_.root, world_.gpu().functions.front()).starts_with("ffff");
  }

  /// One error, and all the rest works: taken back, or done and told. Without a journal nothing is begun.
  void check_single_error() {
    // a device file that stays open to newcomers is only logged: nobody may have come
    if (kinds_ != std::vector{FaultKind::error} || seen().at(first_).starts_with("changing the mode")) return;
    const bool not_begun = outcome_->error == ErrorCode::state_unwritable && outcome_->left.empty();
    expect(outcome_->ending != Ending::failed || not_begun, "not taken back: " + outcome_->message);
    expect(outcome_->ending != Ending::succeeded || !outcome_->message.empty(), "an error in silence");
  }

  void check_outcome() {
    check_single_error();
    if (outcome_->ending == Ending::succeeded) return;
    expect(outcome_->error.has_value() && !outcome_->message.empty(), "a failure without error or message");
    if (outcome_->ending == Ending::failed && outcome_->left.empty())
      expect(outcome_->error == ErrorCode::state_unwritable, "failed, but does not say what is left");
    if (outcome_->error == ErrorCode::kernel_refused)
      expect(names_a_subject(outcome_->message), "no subject in: " + outcome_->message);
  }

  /// The helper cannot be ended: the GPU is stuck, says so, and is left alone until the kernel lets go.
  void look_at_stuck() {
    const auto before = effects();
    const auto outcomes = world_.recover();
    expect(outcomes.size() == 1 && outcomes[0].error == ErrorCode::timed_out,
           "a hanging call is not reported as stuck");
    expect(effects() == before, "a stuck GPU was touched");
    world_.kernel.let_go_all();
    world_.helper_is_gone();
  }

  void keep_promises() {
    const auto at_home = not_home_untold();
    const bool good = at_home.empty() || world_.not_on_vfio().empty() || nothing_left();
    if (!good)
      for (const auto& each : at_home)
        expect(false, "neither home nor on vfio: " + each + " " + last_recovery_);
    expect(world_.journal_empty(), "the journal is still there");
    for (const auto& node : world_.closed_nodes()) expect(false, node);
    const bool must_be_home = outcome_ && outcome_->ending != Ending::succeeded && case_.verb == Verb::attach;
    if (must_be_home && good) expect(at_home.empty() || nothing_left(), "refused, but not as before");
    if (outcome_ && outcome_->ending == Ending::succeeded && !nothing_left())
      expect(case_.verb == Verb::attach ? world_.not_on_vfio().empty() : at_home.empty(),
             "succeeded, but did not");
  }

  /// A unit or a module that the outcome names as missing is not promised.
  std::vector<std::string> not_home_untold() const {
    auto found = world_.not_home();
    std::erase_if(found, [&](const std::string& what) {
      const bool unit = what == "the unit is still stopped" && told_.find("systemctl start") != told_.npos;
      const auto module = what.substr(0, what.find(' '));
      return unit || (what.ends_with("still unloaded") && told_.find("modprobe " + module) != told_.npos);
    });
    return found;
  }

  bool nothing_left() const { return world_.gpu().functions.empty(); }

  /// "0000:01:00.1: binding to vfio-pci: Input/output error (EIO)."
  bool names_a_subject(const std::string& message) const {
    return std::ranges::any_of(plan_,
                               [&](const Step& s) { return message.find(s.subject) != std::string::npos; });
  }

  /// The next attach and release, with nothing in their way. From the very state of the beginning they were
  /// seen to work.
  void go_on() {
    world_.kernel.faults().clear();
    if (nothing_left() || (had(FaultKind::vanish) && !whole())) return;
    if (dead()) refuse_dead_card();
    const bool home = world_.not_home().empty();
    if (home && kinds_.size() > 1) return;
    if (!home) end_well(world_.release(), world_.not_home(), "no release from here");
    end_well(world_.attach(), {}, "no next attach");
    expect(world_.not_on_vfio().empty(), "the next attach did not do all");
    end_well(world_.release(), {}, "no next release");
    expect(world_.not_home().empty(), "the next release did not do all");
  }

  void end_well(const Transaction& transaction, const std::vector<std::string>& from,
                const std::string& otherwise) {
    const auto outcome = world_.run(transaction);
    expect(outcome.ending == Ending::succeeded,
           fmt::format("{}: {} ({})", otherwise, outcome.message, fmt::join(from, "; ")));
  }

  /// A card that does not answer stays where it is, and nothing is broken by asking. Then it answers again.
  void refuse_dead_card() {
    const bool home = world_.not_home().empty();
    const auto outcome = world_.run(home ? world_.attach() : world_.release());
    expect(outcome.error == ErrorCode::device_gone, "a dead card was moved: " + outcome.message);
    expect(home ? world_.not_home().empty() : world_.not_on_vfio().empty(), "a dead card lost its drivers");
    for (const auto address : world_.gpu().functions)
      world_.machine.set(address.str(), "config", config_.at(address));
  }

  Case case_;
  World world_;
  Verdict verdict_;
  std::optional<Outcome> outcome_;
  std::vector<FaultKind> kinds_;
  std::size_t start_{}, first_{};
  std::map<PciAddress, std::string> config_;
  Plan plan_;
  std::string last_recovery_;
  std::string told_;  ///< of all outcomes
  int kills_{};
};

}  // namespace

std::vector<std::string> effects_of(const Case& each) {
  World world{each.build};
  if (each.verb == Verb::release) world.run(world.attach());
  const auto start = static_cast<std::ptrdiff_t>(world.kernel.faults().seen().size());
  world.run(each.verb == Verb::attach ? world.attach() : world.release());
  const auto& seen = world.kernel.faults().seen();
  return {seen.begin() + start, seen.end()};
}

Verdict play(const Case& each, const FaultsAt& faults) { return Scenario{each, faults}.play(); }

std::vector<std::string> effects_until_end(const Case& each, const FaultsAt& faults) {
  Scenario scenario{each, faults};
  scenario.operate();
  return scenario.seen();
}

std::vector<std::string> effects_with_recovery(const Case& each, const FaultsAt& faults) {
  Scenario scenario{each, faults};
  scenario.operate();
  scenario.recover();
  return scenario.seen();
}

}  // namespace gpuctl::test
