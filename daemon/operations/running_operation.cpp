// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/running_operation.hpp"

#include <utility>

#include <fmt/format.h>

#include "operations/messages.hpp"
#include "os/log.hpp"

namespace gpuctl {
namespace {

/// Beyond the executor's own deadline, so that its verdict comes first if it can still give one.
constexpr std::chrono::milliseconds grace{500};

/// For the second look, which asks libvirt and every process, as the first has; nothing is changed before.
constexpr std::chrono::seconds plan_deadline{20};

/// A worker that is still looking when it is told to stop has this long to say that it has its plan after
/// all.
constexpr std::chrono::seconds cancel_grace{1};

/// A recovery has its journal instead of a plan.
bool comes_with_a_plan(const Operation* operation) {
  return operation == nullptr || operation->kind != "recover";
}

/// Its record says failed already; whether that is all of it, only this tells.
std::string came_back(OperationState state, const std::string& message) {
  const auto* ending = "";
  if (state == OperationState::succeeded) ending = " and has succeeded";
  if (state == OperationState::cancelled || state == OperationState::rolled_back)
    ending = " and was taken back";
  return fmt::format("it came back after all{}{}{}", ending, message.empty() ? "" : ": ", message);
}

std::vector<PciAddress> functions_of(const Operation* operation, const Snapshot& snapshot) {
  const auto gpu = operation == nullptr ? snapshot.gpus.end() : snapshot.gpus.find(operation->gpu);
  return gpu == snapshot.gpus.end() ? std::vector<PciAddress>{} : gpu->second.functions;
}

}  // namespace

RunningOperation::RunningOperation(EventLoop& loop, WorkerPool& workers, Inventory& inventory,
                                   OperationList& operations, const TimeoutConfig& timeouts, unsigned id,
                                   WorkerPool::Body body, Handlers handlers)
    : loop_(loop),
      inventory_(inventory),
      operations_(operations),
      timeouts_(timeouts),
      id_(id),
      handlers_(std::move(handlers)),
      in_transition_(functions_of(operations.find(id), inventory.snapshot())),
      looking_(comes_with_a_plan(operations.find(id))) {
  worker_ = workers.start(
      "operation", std::move(body),
      {[this](const std::string& message) { on_message(message); }, [this](int status) { on_exit(status); }});
  inventory_.begin_transition(in_transition_);
  if (looking_)
    deadline_ = loop_.after(plan_deadline, [this] {
      end_without_plan(OperationState::failed, ErrorCode::timed_out,
                       "what stands in the way could not be looked up in time; nothing was changed");
    });
  else
    watch_recovery();
}

/// It looks first, and what it reads may wait for a driver. Its steps are watched one by one then.
void RunningOperation::watch_recovery() {
  const auto* operation = operations_.find(id_);
  if (operation != nullptr) watch_step({StepKind::check_users, operation->gpu.str(), "", ""});
}

/// Once is enough: what a worker that sits in the kernel does not read fills its socket.
void RunningOperation::cancel() {
  if (std::exchange(cancel_sent_, true)) return;
  stop();
  if (const auto step = std::exchange(waits_for_libvirt_, std::nullopt)) give_up(*step);
}

void RunningOperation::stop() {
  worker_->send(messages::cancel);
  if (looking_)
    deadline_ = loop_.after(cancel_grace, [this] {
      end_without_plan(OperationState::cancelled, ErrorCode::cancelled, "cancelled before anything was done");
    });
}

void RunningOperation::end_look() {
  looking_ = false;
  deadline_.reset();
}

/// Its worker is killed. Should it have begun in this moment, its journal is there to take it back.
void RunningOperation::end_without_plan(OperationState state, ErrorCode error, const std::string& message) {
  end_look();
  worker_.reset();
  end_transition();
  operations_.finish(id_, state, std::string{error_name(error)}, message);
  const auto handlers = handlers_;  // both may destroy this
  handlers.crashed();
  handlers.ended();
}

void RunningOperation::on_message(const std::string& text) {
  const auto json = messages::Json::parse(text);
  const std::string type = json.at("type");
  if (type == "looked" || type == "plan" || type == "error") end_look();
  if (type == "error") return on_error(messages::error(json));
  if (type == "plan") {
    planned_ = true;
    operations_.set_plan(id_, messages::plan(json));
    return handlers_.planned();
  }
  if (type == "progress")
    return on_progress(json.at("index"), static_cast<StepState>(json.at("state").get<int>()));
  if (type == "undo")
    return on_undo(messages::step(json.at("step")), static_cast<StepState>(json.at("state").get<int>()));
  if (type == "end")
    on_end(operation_state(json.at("state").get<std::string>()), json.at("error"), json.at("message"));
}

/// Without a plan nothing has begun. With one its end is a crash's, whose reason is known.
void RunningOperation::on_error(const Error& error) {
  if (planned_) {
    thrown_ = error;
    return;
  }
  end_transition();
  handlers_.refused(error);
}

void RunningOperation::on_progress(unsigned index, StepState state) {
  operations_.set_step(id_, index, state);
  end_watch();
  const auto* operation = operations_.find(id_);
  if (operation == nullptr || index >= operation->steps.size()) return;
  if (state == StepState::running) watch_step(operation->steps[index].step);
}

/// A rollback's step is shown at the step that it takes back.
void RunningOperation::on_undo(const Step& step, StepState state) {
  end_watch();
  if (state == StepState::running) return watch_step(step);
  operations_.update(id_, [&](Operation& operation) {
    for (auto& shown : operation.steps)
      if (inverse(shown.step) == step && state == StepState::done) shown.state = StepState::undone;
  });
}

void RunningOperation::end_watch() {
  deadline_.reset();
  if (std::exchange(waits_for_libvirt_, std::nullopt))
    operations_.update(id_, [](Operation& operation) { operation.message.clear(); });
}

void RunningOperation::watch_step(const Step& step) {
  const auto* operation = operations_.find(id_);
  const bool forced = operation != nullptr && operation->forced;
  deadline_ = loop_.after(timeouts_.of(step.kind, forced) + grace, [this, step] { overdue(step); });
}

void RunningOperation::overdue(const Step& step) {
  const auto* operation = operations_.find(id_);
  const bool running = operation != nullptr && operation->running();
  is_vm_step(step.kind) && running && !cancel_sent_ ? wait_for_libvirt(step) : give_up(step);
}

/// libvirt goes on, and ends well as a rule: a guest with much memory takes minutes to start.
void RunningOperation::wait_for_libvirt(const Step& step) {
  waits_for_libvirt_ = step;
  const auto told = overdue_sentence(step) + "; it is waited for until this operation is cancelled";
  log(events::warning, told);
  operations_.update(id_, [&](Operation& operation) { operation.message = told; });
}

std::string RunningOperation::overdue_sentence(const Step& step) const {
  const auto* operation = operations_.find(id_);
  const auto& vm = operation == nullptr || operation->vm.empty() ? step.subject : operation->vm;
  if (is_vm_step(step.kind))
    return fmt::format("libvirt has not finished {} of {} in {} s ([timeouts] vm in gpuctl.toml)",
                       to_string(step.kind), vm, timeouts_.of(step.kind).count());
  const bool is_unit = step.kind == StepKind::stop_unit || step.kind == StepKind::start_unit;
  if (is_unit || step.kind == StepKind::load_module || step.kind == StepKind::unload_module)
    return fmt::format("systemd has not finished {} of {} in {} s ([timeouts] {} in gpuctl.toml)",
                       to_string(step.kind), step.subject, timeouts_.of(step.kind).count(),
                       is_unit ? "unit" : "module");
  return fmt::format("the kernel has not finished {} of {} ({}) in time", to_string(step.kind), step.subject,
                     step.detail());
}

/// It has not come back. The worker stays, to set things right when it does.
void RunningOperation::give_up(const Step& step) {
  worker_->send(messages::given_up);
  const auto what_helps = is_vm_step(step.kind)
                              ? "See what libvirt does (sudo virsh list --all), or restart it"
                              : "Close what still uses it (gpuctl users), or restart the machine";
  operations_.update(id_, [](Operation& operation) { operation.stuck = true; });
  operations_.finish(
      id_, OperationState::failed, std::string{error_name(ErrorCode::timed_out)},
      fmt::format("{}; the GPU is stuck until it does. {}", overdue_sentence(step), what_helps));
  refresh_devices();
}

void RunningOperation::on_end(OperationState state, const std::string& error, const std::string& message) {
  heard_end_ = true;
  end_watch();
  end_transition();
  const auto* operation = operations_.find(id_);
  was_stuck_ = operation != nullptr && operation->stuck;
  if (was_stuck_) operations_.update(id_, [](Operation& o) { o.stuck = false; });
  operations_.finish(id_, state, error, was_stuck_ ? came_back(state, message) : message);
}

/// While it was stuck nothing of it could be recovered, and its end is told to nobody a second time.
void RunningOperation::on_exit(int status) {
  deadline_.reset();
  if (!heard_end_) {
    operations_.update(id_, [](Operation& o) { o.stuck = false; });
    const auto why = thrown_.value_or(
        Error{ErrorCode::internal,
              fmt::format("the process that did the work ended unexpectedly (status {})", status)});
    operations_.finish(id_, OperationState::failed, std::string{error_name(why.code())}, why.what());
  }
  heard_end_ ? refresh_devices() : end_transition();
  // both may destroy this
  const auto handlers = handlers_;
  if (!heard_end_ || was_stuck_) handlers.crashed();
  handlers.ended();
}

void RunningOperation::refresh_devices() {
  const auto functions = functions_of(operations_.find(id_), inventory_.snapshot());
  inventory_.refresh({functions.begin(), functions.end()});
}

/// The kernel holds no lock for this work any more, so everything may be read.
void RunningOperation::end_transition() { inventory_.end_transition(std::exchange(in_transition_, {})); }

}  // namespace gpuctl
