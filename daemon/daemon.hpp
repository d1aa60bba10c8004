// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <memory>

#include "bus/bus_loop.hpp"
#include "bus/host_object.hpp"
#include "bus/object_tree.hpp"
#include "bus/polkit_authorizer.hpp"
#include "bus/sleep_guard.hpp"
#include "bus/vms_object.hpp"
#include "inventory/inventory.hpp"
#include "operations/assignments.hpp"
#include "operations/last_number.hpp"
#include "operations/operation_log.hpp"
#include "operations/requests.hpp"
#include "os/fork_workers.hpp"
#include "os/udev_events.hpp"

namespace gpuctl {

struct DaemonOptions {
  Platform platform;
  char* argv0{};  ///< in place, see ForkWorkers
};

/// Composition: owns everything and is the only one that knows everybody.
class Daemon {
 public:
  explicit Daemon(const DaemonOptions& options);
  /// Exports all objects, takes the name, recovers what a crash left, serves until a signal; the exit status.
  int run();

 private:
  void stop(int status);
  void remember_departures();
  VmNames vm_names() const;

  Platform platform_;
  std::unique_ptr<sdbus::IConnection> connection_;  ///< outlives the replies that workers and timers owe
  EventLoop loop_;
  ForkWorkers workers_;
  BusLoop bus_loop_;
  UdevEvents events_;
  RootDir root_;
  std::vector<PciAddress> held_functions_;
  Inventory inventory_;
  StateDir assignment_dir_;
  Assignments assignments_;
  LastNumber last_number_;
  OperationList operations_;
  OperationLog operation_log_;
  Queries queries_;
  Departures departures_;
  Runner runner_;
  Recoveries recoveries_;
  Requests requests_;
  ReturnWaits returns_;
  PolkitAuthorizer authorizer_;
  Gate gate_;
  GpuCalls gpu_calls_;
  HostCalls host_calls_;
  ObjectTree tree_;
  VmWatch vm_watch_;
  DomainLifecycle lifecycle_;
  VmsObject vms_;
  Configuring configuring_;
  BootApplication boot_application_;
  HostObject host_;
  SleepGuard sleep_guard_;
  EventLoop::Source terminate_, interrupt_;
};

}  // namespace gpuctl
