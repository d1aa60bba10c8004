// SPDX-License-Identifier: GPL-2.0-or-later
#include "fuzz/dispatch_world.hpp"

#include <array>
#include <cstdlib>

#include "host/host_state.hpp"
#include "operations/messages.hpp"

using namespace gpuctl;

namespace fuzz {
namespace {

/// Every GPU is some domain's.
VmNames names_for(const Snapshot& snapshot) {
  VmNames names;
  for (const auto& [slot, gpu] : snapshot.gpus) names.emplace(slot, "gaming");
  return names;
}

constexpr std::chrono::seconds patience{10};

Plan some_plan() {
  return {{StepKind::unbind, "0000:01:00.0", "nvidia", ""}, {StepKind::bind, "0000:01:00.0", "", "vfio-pci"}};
}

Problem some_problem(Severity severity) {
  return {"gpu-in-use", severity, "0000:01:00.0", "a program holds the GPU.", "End it."};
}

/// An answer of Queries, its first byte included.
std::string answer_to(const std::string& name, Bytes& script) {
  const auto choice = script.next();
  if (choice % 16 == 15) return {};
  if (choice % 16 == 14) return "E" + messages::error(Error{ErrorCode::vm_not_found, "there is no such VM"});
  if (name == "survey") {
    Prepared seen;
    seen.survey = {
        {}, choice % 4 == 0 ? Plan{} : some_plan(), "gaming", "9f3c2b54-0d2e-4a7c-9a53-0b1c8c5b0c11"};
    if (choice % 8 > 4)
      seen.survey.problems = {some_problem(choice % 8 == 7 ? Severity::blocker : Severity::warning)};
    return "A" + messages::prepared(seen);
  }
  if (name == "kernel-arguments" && choice % 2 == 0)
    return R"(A{"boot-loader":"grub","enabled":true,"missing":["a"]})";
  if (name == "configuration")
    return choice % 3 == 0   ? R"(A{"actions":[{"gpu":"0000:01:00.0","to":"vm"}],"problems":[]})"
           : choice % 3 == 1 ? "A"
                             : "Adone";
  return choice % 2 == 0
             ? R"(A[{"id":"a","severity":"info","pid":7,"gpus":["0000:01:00.0"],"problems":[{"id":"b"}]}])"
             : "A--- a\n+++ b\n";
}

/// What an operation's worker sends, in order.
std::vector<std::string> told_by_operation(Bytes& script) {
  const auto choice = script.next();
  if (choice % 8 == 7) return {};
  if (choice % 8 == 6) return {messages::error(Error{ErrorCode::busy, "something came in between"})};
  const auto state = static_cast<OperationState>(1 + choice % 4);
  const bool succeeded = state == OperationState::succeeded;
  const auto end = messages::end(state, succeeded ? "" : "KernelRefused", "the end");
  if (choice % 8 == 5) return {messages::plan(some_plan()), messages::progress(0, StepState::running)};
  return {messages::plan(some_plan()),
          messages::progress(0, StepState::running),
          messages::progress(0, StepState::done),
          messages::progress(1, StepState::failed),
          messages::undo(*inverse(some_plan()[0]), StepState::done),
          end};
}

/// One message in each round of the loop: calls come in between.
class ScriptedWorker : public Worker {
 public:
  ScriptedWorker(EventLoop& loop, std::vector<std::string> messages, WorkerHandlers handlers)
      : loop_(loop),
        messages_(std::move(messages)),
        handlers_(std::make_shared<WorkerHandlers>(std::move(handlers))) {
    play_later();
  }
  pid_t pid() const override { return 1; }
  void send(const std::string&) override {}

 private:
  void play_later() {
    loop_.defer([this, alive = std::weak_ptr<WorkerHandlers>{handlers_}] {
      if (const auto handlers = alive.lock()) play(handlers);
    });
  }
  /// The handlers may destroy this.
  void play(const std::shared_ptr<WorkerHandlers>& handlers) {
    if (next_ == messages_.size()) return handlers->on_exit(0);
    play_later();
    handlers->on_message(std::string{messages_[next_++]});
  }

  EventLoop& loop_;
  std::vector<std::string> messages_;
  std::size_t next_{};
  std::shared_ptr<WorkerHandlers> handlers_;
};

/// Lives as long as somebody wants it, and has nothing to say.
class SilentWorker : public Worker {
 public:
  pid_t pid() const override { return 1; }
  void send(const std::string&) override {}
};

}  // namespace

void ScriptedAuthorizer::check(AuthorizationRequest, std::function<void(Verdict)> answer) {
  constexpr std::array verdicts{Verdict::allowed,   Verdict::allowed, Verdict::allowed,   Verdict::denied,
                                Verdict::challenge, Verdict::allowed, Verdict::over_limit};
  loop_.defer(
      [answer = std::move(answer), verdict = verdicts[script_.below(verdicts.size())]] { answer(verdict); });
}

std::unique_ptr<Worker> ScriptedWorkers::start(const std::string& name, Body, WorkerHandlers handlers) {
  if (name == "vm-watch") return std::make_unique<SilentWorker>();
  if (name == "operation")
    return std::make_unique<ScriptedWorker>(loop_, told_by_operation(script_), std::move(handlers));
  auto answer = answer_to(name, script_);
  return std::make_unique<ScriptedWorker>(
      loop_, answer.empty() ? std::vector<std::string>{} : std::vector{std::move(answer)},
      std::move(handlers));
}

Platform DispatchWorld::platform(const test::FakeMachine& machine) const {
  Platform made;
  made.root = machine.root();
  made.runtime_dir = machine.root() / "run";
  made.state_dir = machine.root() / "state";
  made.config.operations.retention = std::chrono::seconds{0};
  return made;
}

DispatchWorld::DispatchWorld()
    : platform_((test::reference_laptop(machine_), platform(machine_))),
      connection_(dbus::system_bus()),
      workers_(loop_, script_),
      authorizer_(loop_, script_),
      bus_loop_(*connection_, loop_, [] { std::abort(); }),
      root_(platform_.root),
      inventory_(root_, events_, loop_,
                 [] { return Lookups{.host = [](const RootDir& root) { return read_host_state(root); }}; }),
      assignment_dir_(platform_.state_dir / "assignments"),
      assignments_(assignment_dir_),
      operations_(loop_, platform_.config.operations.retention),
      queries_(loop_, workers_, patience),
      departures_(loop_, patience, [this](PciSlot gpu, bool leaving) { tree_.tell_departure(gpu, leaving); }),
      runner_(loop_, workers_, inventory_, operations_, departures_, platform_.config.timeouts),
      recoveries_(loop_, inventory_, operations_, runner_, platform_),
      requests_(inventory_, operations_, queries_, departures_, runner_, recoveries_, platform_),
      returns_(loop_, operations_, patience),
      gate_(authorizer_),
      gpu_calls_(*connection_, loop_, gate_, requests_, returns_, queries_, platform_),
      host_calls_(gate_, queries_, inventory_, platform_),
      tree_(*connection_, loop_, inventory_, operations_, requests_, gate_, gpu_calls_, host_calls_,
            departures_, [this] { return names_for(inventory_.snapshot()); }),
      vm_watch_(loop_, workers_, inventory_, operations_, requests_, assignments_, platform_),
      lifecycle_(loop_, inventory_, operations_, requests_, assignments_, vm_watch_),
      vms_(*connection_, gate_, queries_, inventory_, lifecycle_, platform_),
      configuring_(loop_, workers_),
      boot_application_(operations_, requests_),
      host_(*connection_, gate_, queries_, configuring_, inventory_, boot_application_, platform_) {}

void DispatchWorld::turn() {
  loop_.run_once(std::chrono::milliseconds{0});
  peer_.receive();
}

void DispatchWorld::forget() {
  for (const auto& [slot, assignment] : assignments_.all()) assignments_.remove(slot);
}

}  // namespace fuzz
