// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <exception>
#include <functional>
#include <string>

#include "vm/libvirt_handles.hpp"

namespace gpuctl::libvirt {

/// Makes libvirt's own event loop the process's; must come before the first connection.
void prepare_event_loop();

/// Turns the event loop until `done` says so or the deadline has passed (none: for ever). `done` is asked
/// after every event and at least once a `tick`. What callbacks threw is thrown here.
class EventTurns {
 public:
  explicit EventTurns(std::chrono::milliseconds tick);
  ~EventTurns();
  EventTurns(const EventTurns&) = delete;
  EventTurns& operator=(const EventTurns&) = delete;
  /// False when the deadline passed first.
  bool run_until(const std::function<bool()>& done, std::chrono::steady_clock::time_point deadline);

 private:
  int timer_;
};

/// Calls `handler` from a C callback; keeps what it throws for rethrow().
class Guarded {
 public:
  template <class Call>
  void operator()(Call&& call) noexcept {
    try {
      if (!thrown_) call();
    } catch (...) {
      thrown_ = std::current_exception();
    }
  }
  void rethrow() const {
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  std::exception_ptr thrown_;
};

/// Lifecycle events of all domains and the end of the connection, reported as Hypervisor::watch documents.
class LifecycleWatch {
 public:
  using Handler = std::function<void(const std::string& event, const std::string& uuid)>;
  LifecycleWatch(virConnectPtr connection, Handler handler);
  ~LifecycleWatch();
  LifecycleWatch(const LifecycleWatch&) = delete;
  LifecycleWatch& operator=(const LifecycleWatch&) = delete;
  bool lost() const { return lost_; }
  void rethrow() const { guard_.rethrow(); }

 private:
  static int on_lifecycle(virConnectPtr, virDomainPtr domain, int event, int detail, void* self);
  static void on_close(virConnectPtr, int reason, void* self);
  void report(virDomainPtr domain, int event);

  virConnectPtr connection_;
  Handler handler_;
  Guarded guard_;
  int callback_{-1};
  bool lost_{};
};

/// Waits for the guest's answer to the removal of one device.
class RemovalWatch {
 public:
  RemovalWatch(virConnectPtr connection, virDomainPtr domain, std::string alias);
  ~RemovalWatch();
  RemovalWatch(const RemovalWatch&) = delete;
  RemovalWatch& operator=(const RemovalWatch&) = delete;
  enum class Answer { none, removed, refused };
  Answer answer() const { return answer_; }

 private:
  static void on_removed(virConnectPtr, virDomainPtr, const char* alias, void* self);
  static void on_refused(virConnectPtr, virDomainPtr, const char* alias, void* self);

  virConnectPtr connection_;
  std::string alias_;
  Answer answer_{Answer::none};
  int removed_{-1}, refused_{-1};
};

}  // namespace gpuctl::libvirt
