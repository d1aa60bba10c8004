// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/config.hpp"
#include "core/error.hpp"
#include "inventory/inventory.hpp"
#include "operations/operation_list.hpp"
#include "os/worker.hpp"

namespace gpuctl {

/// Follows one operation's worker: shows its progress, watches the deadline of each step, and tells how it
/// ended.
class RunningOperation {
 public:
  struct Handlers {
    std::function<void()> planned;              ///< the plan stands, the work begins
    std::function<void(const Error&)> refused;  ///< looked again and found something in the way
    std::function<void()> ended;                ///< the worker has gone; destroy this
    std::function<void()> crashed;              ///< it went without a word, or after it had been stuck:
                                                ///< recovery is due
  };

  RunningOperation(EventLoop& loop, WorkerPool& workers, Inventory& inventory, OperationList& operations,
                   const TimeoutConfig& timeouts, unsigned id, WorkerPool::Body body, Handlers handlers);
  /// Asks for a stop before the next step, and a rollback; what only looks is ended. What waits for libvirt
  /// too long is given up.
  void cancel();
  /// The same because gpuctld ends: what libvirt does meanwhile is left to the next one.
  void stop();
  unsigned id() const { return id_; }

 private:
  void on_message(const std::string& text);
  void on_exit(int status);
  void on_progress(unsigned index, StepState state);
  void on_undo(const Step& step, StepState state);
  void on_end(OperationState state, const std::string& error, const std::string& message);
  void watch_step(const Step& step);
  void watch_recovery();
  void end_watch();
  void overdue(const Step& step);
  void wait_for_libvirt(const Step& step);
  void give_up(const Step& step);
  std::string overdue_sentence(const Step& step) const;
  void refresh_devices();
  void end_transition();
  void end_look();
  void on_error(const Error& error);
  void end_without_plan(OperationState state, ErrorCode error, const std::string& message);

  EventLoop& loop_;
  Inventory& inventory_;
  OperationList& operations_;
  TimeoutConfig timeouts_;
  unsigned id_;
  Handlers handlers_;
  std::vector<PciAddress> in_transition_;
  std::unique_ptr<Worker> worker_;
  EventLoop::Source deadline_;
  std::optional<Error> thrown_;            ///< by its work, after the plan
  std::optional<Step> waits_for_libvirt_;  ///< a step that has had its time, and has more
  bool heard_end_{};
  bool was_stuck_{};
  bool cancel_sent_{};
  bool looking_{};  ///< nothing has been written yet
  bool planned_{};
};

}  // namespace gpuctl
