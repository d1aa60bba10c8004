// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "inventory/inventory.hpp"
#include "operations/departures.hpp"
#include "operations/operation_list.hpp"
#include "operations/platform.hpp"
#include "operations/polkit_details.hpp"
#include "operations/queries.hpp"
#include "operations/recoveries.hpp"
#include "operations/request.hpp"
#include "operations/runner.hpp"
#include "operations/survey.hpp"

namespace gpuctl {

/// What a look at a request has found, and of which state of its GPU that is true.
struct Look {
  Prepared prepared;
  std::chrono::steady_clock::time_point begun{};
  unsigned moves{};                               ///< as Requests::moves() was
  std::map<PciAddress, PciFunction> functions{};  ///< of the GPU
};

/// The use cases: attach and release. Finds the GPU, looks at what stands in the way, starts the work in a
/// worker and follows it. One operation at a time for each GPU.
class Requests {
 public:
  using LookAnswer = std::function<void(std::variant<Look, Error>)>;
  using StartAnswer = Runner::Answer;

  Requests(Inventory& inventory, OperationList& operations, Queries& queries, Departures& departures,
           Runner& runner, Recoveries& recoveries, Platform platform);

  /// The GPU argument becomes an address. Throws Error(not_found | ambiguous_gpu | invalid_argument).
  Request resolve(Request request) const;
  /// What a resolved request meets, found in a worker, and the operation that runs on its GPU. Changes
  /// nothing.
  void survey(const Request& request, std::uint32_t uid, LookAnswer answer);
  /// Grows whenever an operation begins to work on the request's GPU: what was seen before is stale then.
  unsigned moves(const Request& request) const;
  /// Throws Error(busy), or Error(blocked) while the kernel holds on to the GPU.
  void require_free(const Request& request) const;
  /// The GPU is busy with something short as long as the result lives. Throws as require_free().
  std::shared_ptr<void> hold(const Request& request);
  /// Looks again - at the functions only, where `look` is of just now and they have not changed since - and,
  /// if nothing has come in the way, begins. Answers when the plan stands, or with the refusal. A release
  /// first finishes what an earlier operation could not. Gives the operation's number, for cancel().
  unsigned start(const Request& request, std::uint32_t uid, StartAnswer answer,
                 std::optional<Look> look = {});
  /// What is recorded of the GPU changes, also where nothing is left to be moved: a release ends an
  /// assignment (its VM was undefined, or the GPU taken out of it by hand), an attach says otherwise whether
  /// the GPU stays.
  bool changes_record(const Request& request, const Survey& survey) const;
  /// An operation that has succeeded already.
  unsigned already(const Request& request, std::uint32_t uid);
  /// For polkit's rules and prompts.
  PolkitDetails details(const Request& request) const;
  /// The same of one that runs, also when its GPU has gone.
  PolkitDetails details(const Operation& operation) const;
  void cancel(unsigned id);
  /// The machine is about to sleep (true) or awake again: nothing is started in between.
  void pause(bool asleep);
  /// gpuctld is about to end: nothing is started any more.
  void stop();

 private:
  void refresh(PciSlot slot);
  std::shared_ptr<void> shared_reading(PciSlot slot);
  /// Of what an earlier operation could not finish, before a release.
  std::optional<unsigned> recover(const Request& request, std::uint32_t uid);
  /// What has come in between since it was asked for; "" = it may begin.
  std::string obstacle(unsigned id);
  std::map<PciAddress, PciFunction> functions(const Request& request) const;
  bool still_holds(const Look& look, const Request& request) const;
  WorkerPool::Body work(Request request, std::uint32_t uid, const std::optional<Look>& look);
  void add_running(const Request& request, Problems& problems) const;
  std::string vm_of(const Request& request) const;
  bool leaves_host(const Request& request) const;

  struct Reading {
    std::chrono::steady_clock::time_point at{};
    std::weak_ptr<void> looks{};  ///< that are in flight and go by it
  };

  Inventory& inventory_;
  OperationList& operations_;
  Queries& queries_;
  Departures& departures_;
  Runner& runner_;
  Recoveries& recoveries_;
  Platform platform_;
  std::map<PciSlot, Reading> readings_;
  std::set<unsigned> cancelled_early_;  ///< while others were asked to let go
  bool stopping_{};
  bool asleep_{};
};

/// The problems as one error: every sentence with its remedy.
Error blocked_error(const Problems& problems);

}  // namespace gpuctl
