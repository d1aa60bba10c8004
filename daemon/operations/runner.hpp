// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <variant>

#include "operations/departures.hpp"
#include "operations/running_operation.hpp"

namespace gpuctl {

/// The operations whose workers run.
class Runner {
 public:
  /// The operation's number when its plan stands, or when it has ended without one; or the refusal.
  using Answer = std::function<void(std::variant<unsigned, Error>)>;
  Runner(EventLoop& loop, WorkerPool& workers, Inventory& inventory, OperationList& operations,
         Departures& departures, TimeoutConfig timeouts)
      : loop_(loop),
        workers_(workers),
        inventory_(inventory),
        operations_(operations),
        departures_(departures),
        timeouts_(timeouts) {}

  void run(unsigned id, PciSlot gpu, WorkerPool::Body body, Answer answer);
  /// A worker ended without a word, or after it had been stuck: what it left behind is to be recovered.
  void on_crash(std::function<void(PciSlot)> handler) { crashed_ = std::move(handler); }
  /// No worker of ours touches this GPU any more.
  void on_gone(std::function<void(PciSlot)> handler) { gone_ = std::move(handler); }
  /// Whether a worker of ours may still touch this GPU: its operation may have ended before it has.
  bool follows(PciSlot gpu) const;
  /// How many operations have begun their work on this GPU.
  unsigned begun(PciSlot gpu) const;
  /// Asks for a stop before the next step and a rollback; false if it does not run here.
  bool cancel(unsigned id);
  /// Asks all to stop; `done` when all have ended, or been killed after `patience`.
  void stop(std::chrono::milliseconds patience, std::function<void()> done);

 private:
  void ended(unsigned id, PciSlot gpu);
  /// Programs that let go of it may have it again, if it is on the host.
  void tell_departures(PciSlot gpu);
  void check_stopped();

  EventLoop& loop_;
  WorkerPool& workers_;
  Inventory& inventory_;
  OperationList& operations_;
  Departures& departures_;
  TimeoutConfig timeouts_;
  std::map<unsigned, std::unique_ptr<RunningOperation>> running_;
  std::map<unsigned, PciSlot> gpus_;  ///< of those that run
  std::map<PciSlot, unsigned> begun_;
  std::function<void(PciSlot)> crashed_ = [](PciSlot) {}, gone_ = crashed_;
  std::function<void()> stopped_;
  EventLoop::Source patience_;
};

}  // namespace gpuctl
