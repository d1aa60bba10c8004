// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/error.hpp"
#include "operations/operation.hpp"
#include "os/event_loop.hpp"

namespace gpuctl {

struct OperationNumbers {
  unsigned last{};                                           ///< they go on after this one
  std::function<void(unsigned)> on_taken = [](unsigned) {};  ///< before anybody is shown it
};

/// The operations that run or ended less than a minute ago, and who wants to know of them.
class OperationList {
 public:
  /// More than this are not kept, whatever the retention time; who has the most finished ones loses the
  /// oldest.
  static constexpr std::size_t max_listed = 256;
  struct Observer {
    std::function<void(const Operation&)> added;
    std::function<void(const Operation&)> changed;
    std::function<void(const Operation&)> finished;
    std::function<void(unsigned id)> removed;
  };

  OperationList(EventLoop& loop, std::chrono::milliseconds retention, OperationNumbers numbers = {})
      : loop_(loop), retention_(retention), numbers_(std::move(numbers)) {}
  void observe(Observer observer) { observers_.push_back(std::move(observer)); }

  Operation& add(std::string kind, PciSlot gpu, std::string vm, std::uint32_t started_by);
  void set_plan(unsigned id, const Plan& plan);
  void set_step(unsigned id, unsigned index, StepState state);
  /// Shown as it is, for what no other call covers (stuck).
  void update(unsigned id, const std::function<void(Operation&)>& change);
  /// Ends it, once; stays listed for the retention time. A later verdict on the same operation (a stuck write
  /// that came back) changes its message only.
  void finish(unsigned id, OperationState state, const std::string& error, const std::string& message);
  /// Never became work: a refusal that was found while it started. Who asked has that as an answer; for all
  /// others, who may have seen it, it has failed, and is not kept.
  void drop(unsigned id, const Error& why);

  const Operation* find(unsigned id) const;
  const Operation* running_on(PciSlot gpu) const;
  bool busy() const;
  /// Something short that is no operation has this GPU - its ROM is read - as long as the result lives.
  std::shared_ptr<void> hold(PciSlot gpu);
  bool is_held(PciSlot gpu) const { return held_.contains(gpu); }
  /// Calls `then` when what holds this GPU has let go.
  void once_free(PciSlot gpu, std::function<void()> then) { held_.at(gpu).push_back(std::move(then)); }
  const std::map<unsigned, Operation>& all() const { return operations_; }

 private:
  void remove(unsigned id);
  void let_go(PciSlot gpu);
  void expire_later(unsigned id);
  void forget_oldest();
  EventLoop& loop_;
  std::chrono::milliseconds retention_;
  std::map<unsigned, Operation> operations_;
  std::map<unsigned, EventLoop::Source> expiries_;
  std::map<PciSlot, std::vector<std::function<void()>>> held_;  ///< and who waits for the end of that
  std::vector<Observer> observers_;
  OperationNumbers numbers_;
};

}  // namespace gpuctl
