// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/commands/follow.hpp"

#include <utility>

#include "cli/clean_text.hpp"
#include "cli/gpu_argument.hpp"
#include "cli/interrupts.hpp"
#include "cli/output/json.hpp"
#include "cli/output/table.hpp"
#include "gpuctl_names.hpp"

namespace gpuctl::cli {
namespace {

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

std::string after_state(const Step& step, const std::string& subject) {
  return "  " + padded(step.kind, 18) + " " + padded(subject, 12) + "  " + step.detail;
}

bool is_end(const Step& step) {
  return step.state == "done" || step.state == "failed" || step.state == "undone";
}

[[noreturn]] void complain_daemon_gone() {
  throw Failure{"org.freedesktop.DBus.Error.NoReply", "gpuctld went away while the operation ran"};
}

/// An operation on its way. The ssh to another host hears Ctrl-C as well, and ends.
class Followed {
 public:
  Followed(Context& context, const std::string& path) : context_(context) {
    operation_.path = path;
    operation_.state = "running";
  }

  Operation to_its_end() {
    for (;;) {
      const auto wake = look();
      if (!operation_.running()) break;
      if (wake == Wake::changed) continue;
      progress_.clear();
      if (wake == Wake::daemon_gone) complain_daemon_gone();
      if (!interrupted()) break;
    }
    return operation_;
  }

 private:
  /// Before the first look: what ends in between is not missed.
  void listen() {
    if (!listening_) context_.client().listen(operation_.path);
    listening_ = true;
  }

  /// And waits for something to happen, if it runs.
  Wake look() try {
    listen();
    operation_ = context_.client().operation(operation_.path);
    progress_.update(operation_);
    return operation_.running() ? context_.client().wait(interrupts_.fd()) : Wake::changed;
  } catch (const Failure&) {
    if (!context_.remote() || !interrupts_.pending()) throw;
    return Wake::interrupted;
  }

  /// First Ctrl-C: cancel. False at the second.
  bool interrupted() {
    interrupts_.take();
    if (std::exchange(asked_, true)) return false;
    context_.console.complain("cancelling; once more Ctrl-C leaves operation " + operation_.number() +
                              " to itself");
    if (context_.remote()) connect_again();
    cancel();
    return true;
  }

  void connect_again() try {
    context_.reconnect();
    listening_ = false;
    listen();
  } catch (const Failure&) {
    context_.console.complain("operation " + operation_.number() + " goes on; gpuctl --host " +
                              context_.host() + " cancel " + operation_.number() + " ends it");
    throw;
  }

  /// One that has just finished has nothing to cancel.
  void cancel() try { context_.client().cancel(operation_.path); } catch (const Failure& failure) {
    context_.console.complain(failure.what());
  }

  Context& context_;
  const Interrupts interrupts_{};
  Progress progress_{context_.console};
  Operation operation_;
  bool listening_{}, asked_{};
};

std::string done_sentence(const Operation& o) {
  if (!o.message.empty()) return o.message;
  const auto gpu = slot_of_path(o.gpu_path);
  if (o.kind == "attach") return gpu + " is with " + (o.vm.empty() ? "vfio-pci" : "the VM " + o.vm);
  if (o.kind == "release") return gpu + " is back on the host";
  return o.kind + " is done";
}

std::string error_name_of(const Operation& o) {
  if (o.error.find('.') != std::string::npos) return o.error;
  return names::error_prefix + (o.error.empty() ? std::string{"Internal"} : o.error);
}

std::string failure_sentence(const Operation& o) {
  if (o.running()) return "operation " + o.number() + " goes on by itself; gpuctl operations shows it";
  if (!o.message.empty()) return o.message;
  return o.kind + (o.state == "cancelled" ? " was cancelled" : " failed");
}

/// What the error itself asks for; an operation that failed by itself is explained by its message.
std::string_view own_remedy(const Operation& o) {
  const auto explanation = explain(error_name_of(o));
  const bool told = o.running() || o.message.find('\n') != std::string::npos;
  const bool goes_without_saying = o.state == "rolled-back" && explanation.status == Exit::failed;
  return told || goes_without_saying ? std::string_view{} : explanation.remedy;
}

std::string failure_remedy(const Operation& o) {
  const std::string remedy{own_remedy(o)};
  if (o.state != "rolled-back") return remedy;
  return "Rolled back: the GPU is where it was before." + (remedy.empty() ? "" : "\n" + remedy);
}

void print_end(const Console& console, const Operation& o) {
  if (o.running()) return;
  if (console.terminal() && o.state == "succeeded") console.print(done_sentence(o) + "\n");
  if (console.format() == Format::plain)
    console.print(record({o.state, o.kind, slot_of_path(o.gpu_path), clean(o.message)}));
}

}  // namespace

std::string subject(const Step& step, const std::string& vm) {
  return step.kind.starts_with("vm-") && !vm.empty() ? vm : step.subject;
}

void Progress::update(const Operation& operation) {
  if (console_.json()) return;
  clear();
  vm_ = operation.vm;
  for (std::size_t i = 0; i < operation.steps.size(); ++i) {
    const auto& step = operation.steps[i];
    const bool news = i >= shown_.size() || shown_[i].state != step.state;
    if (news && is_end(step)) show_end(step);
  }
  for (const auto& step : operation.steps) {
    if (step.state == "running" && operation.running()) show_running(step);
  }
  shown_ = operation.steps;
}

void Progress::clear() {
  if (live_) console_.print("\r\x1b[K");
  live_ = false;
}

void Progress::show_end(const Step& step) {
  if (!console_.terminal())
    return console_.print(record({step.state, step.kind, subject(step, vm_), step.detail}));
  console_.print("  " + console_.paint(step_state_colour(step.state), padded(step.state, 7)) +
                 after_state(step, subject(step, vm_)) + "\n");
}

void Progress::show_running(const Step& step) {
  if (!console_.can_erase() || live_) return;
  const auto line = "  running" + after_state(step, subject(step, vm_));
  console_.print(console_.width() > 1 ? cut(line, console_.width() - 1) : line);
  live_ = true;
}

Operation follow(Context& context, const std::string& path) { return Followed{context, path}.to_its_end(); }

Json document_of(Context& context, const Operation& o) {
  const auto objects = [&context]() -> Objects {
    try {
      return context.client().objects();
    } catch (const Failure&) {  // takes nothing from what is known of the operation
      return {};
    }
  };
  return {{"operation", json_of(o, objects())}};
}

namespace {

/// As a refusal's: who asks for .error.name need not know how far it came.
Json end_document(Context& context, const Operation& o) {
  auto document = document_of(context, o);
  if (o.state != "succeeded" && !o.running())
    document["error"] = {{"name", short_name(error_name_of(o))}, {"message", failure_sentence(o)}};
  return document;
}

}  // namespace

Exit report(Context& context, const Operation& o) {
  const auto& console = context.console;
  if (console.json()) print_json(console, end_document(context, o));
  print_end(console, o);
  if (o.state == "succeeded") return Exit::done;
  console.complain(failure_sentence(o), failure_remedy(o));
  return Exit::failed;
}

}  // namespace gpuctl::cli
