// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "core/error.hpp"
#include "os/event_loop.hpp"
#include "os/worker.hpp"

namespace gpuctl {

/// Questions that take long or may block - libvirt, /proc, ROMs -, each asked in a worker of its own.
class Queries {
 public:
  static constexpr std::size_t max_per_uid = 8;
  static constexpr std::size_t max_in_all = 32;
  using Answer = std::function<void(std::variant<std::string, Error>)>;
  using Body = std::function<std::string()>;

  Queries(EventLoop& loop, WorkerPool& workers, std::chrono::milliseconds timeout)
      : loop_(loop), workers_(workers), timeout_(timeout) {}

  /// Throws the Error(limits_exceeded) that ask() would answer: before anything is done for the question.
  void require_room(std::uint32_t uid) const;
  /// `body` runs in the worker; what it returns, or the Error it throws, is the answer.
  /// Error(limits_exceeded) when this uid, or everybody, has too many in flight; Error(timed_out) after the
  /// timeout.
  void ask(const std::string& name, std::uint32_t uid, Body body, Answer answer) {
    ask(name, uid, std::move(body), std::move(answer), timeout_);
  }
  void ask(const std::string& name, std::uint32_t uid, Body body, Answer answer,
           std::chrono::milliseconds timeout);

 private:
  struct Query {
    std::uint32_t uid{};
    Answer answer;
    std::unique_ptr<Worker> worker;
    EventLoop::Source timeout;
    std::string received;
  };
  bool over_limit(std::uint32_t uid) const;
  void finish(unsigned id, std::variant<std::string, Error> result);
  void exited(unsigned id);

  EventLoop& loop_;
  WorkerPool& workers_;
  std::chrono::milliseconds timeout_;
  std::map<unsigned, Query> queries_;
  unsigned next_id_{1};
};

}  // namespace gpuctl
