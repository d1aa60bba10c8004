// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "os/device_events.hpp"
#include "os/worker.hpp"

namespace gpuctl::test {

class NoEvents : public DeviceEvents {
 public:
  void on_event(std::function<void(const DeviceEvent&)>) override {}
};

/// Counts the workers that begin, of one name or of all, and lets them do nothing.
class CountedWorkers : public WorkerPool {
 public:
  explicit CountedWorkers(std::string name = {}) : name_(std::move(name)) {}
  int begun = 0;
  bool exhausted = false;  ///< no process to be had
  WorkerHandlers last;
  std::unique_ptr<Worker> start(const std::string& name, Body, WorkerHandlers handlers) override {
    if (exhausted) throw Error(ErrorCode::internal, "fork: no more processes");
    if (name_.empty() || name == name_) {
      ++begun;
      last = std::move(handlers);
    }
    return std::make_unique<Idle>();
  }

 private:
  class Idle : public Worker {
   public:
    pid_t pid() const override { return 1; }
    void send(const std::string&) override {}
  };
  std::string name_;
};

}  // namespace gpuctl::test
