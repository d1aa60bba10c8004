// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's bus side, whole, as daemon.cpp joins it; polkit and the workers say what the input wants.
#pragma once
#include <memory>

#include "bus/bus_loop.hpp"
#include "bus/host_object.hpp"
#include "bus/object_tree.hpp"
#include "bus/vms_object.hpp"
#include "fuzz/bus_peer.hpp"
#include "fuzz/bytes.hpp"
#include "support/machines.hpp"

namespace fuzz {

class SilentEvents : public gpuctl::DeviceEvents {
 public:
  void on_event(std::function<void(const gpuctl::DeviceEvent&)>) override {}
};

/// Answers in the loop's next round, as the input says.
class ScriptedAuthorizer : public gpuctl::Authorizer {
 public:
  ScriptedAuthorizer(gpuctl::EventLoop& loop, Bytes& script) : loop_(loop), script_(script) {}
  void check(gpuctl::AuthorizationRequest request, std::function<void(gpuctl::Verdict)> answer) override;

 private:
  gpuctl::EventLoop& loop_;
  Bytes& script_;
};

/// Workers that send what a worker of that name may send, and end; their work itself is not done.
class ScriptedWorkers : public gpuctl::WorkerPool {
 public:
  ScriptedWorkers(gpuctl::EventLoop& loop, Bytes& script) : loop_(loop), script_(script) {}
  std::unique_ptr<gpuctl::Worker> start(const std::string& name, Body body,
                                        gpuctl::WorkerHandlers handlers) override;

 private:
  gpuctl::EventLoop& loop_;
  Bytes& script_;
};

class DispatchWorld {
 public:
  DispatchWorld();
  /// What the next answers of polkit and of the workers are taken from.
  Bytes& script() { return script_; }
  BusPeer& peer() { return peer_; }
  /// Lets both ends do what is to be done now.
  void turn();
  bool busy() const { return operations_.busy(); }
  /// Nothing of an input is left for the next one.
  void forget();

 private:
  gpuctl::Platform platform(const gpuctl::test::FakeMachine& machine) const;

  Bytes script_;
  gpuctl::test::FakeMachine machine_;
  gpuctl::Platform platform_;
  std::unique_ptr<sdbus::IConnection> connection_;
  BusPeer peer_;
  gpuctl::EventLoop loop_;
  ScriptedWorkers workers_;
  ScriptedAuthorizer authorizer_;
  gpuctl::BusLoop bus_loop_;
  SilentEvents events_;
  gpuctl::RootDir root_;
  gpuctl::Inventory inventory_;
  gpuctl::StateDir assignment_dir_;
  gpuctl::Assignments assignments_;
  gpuctl::OperationList operations_;
  gpuctl::Queries queries_;
  gpuctl::Departures departures_;
  gpuctl::Runner runner_;
  gpuctl::Recoveries recoveries_;
  gpuctl::Requests requests_;
  gpuctl::ReturnWaits returns_;
  gpuctl::Gate gate_;
  gpuctl::GpuCalls gpu_calls_;
  gpuctl::HostCalls host_calls_;
  gpuctl::ObjectTree tree_;
  gpuctl::VmWatch vm_watch_;
  gpuctl::DomainLifecycle lifecycle_;
  gpuctl::VmsObject vms_;
  gpuctl::Configuring configuring_;
  gpuctl::BootApplication boot_application_;
  gpuctl::HostObject host_;
};

}  // namespace fuzz
