// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "inventory/inventory.hpp"
#include "operations/assignments.hpp"
#include "operations/configuring.hpp"
#include "operations/operation_list.hpp"
#include "operations/requests.hpp"
#include "os/fork_workers.hpp"
#include "sdbus_compat.hpp"

namespace gpuctl {

/// Keeps the machine awake while a GPU is on its way, and, as configured, while a running VM has one:
/// vfio-pci saves nothing of a device in use, so the guest's driver would not survive (Linux:
/// vfio_pci_core_pm_ops has runtime PM only). Between logind's PrepareForSleep true and false nothing is
/// started; afterwards everything is read again. While an initramfs or a boot loader's files are being
/// written the machine is not shut down either: half of one does not boot.
class SleepGuard {
 public:
  SleepGuard(sdbus::IConnection& connection, EventLoop& loop, ForkWorkers& workers, Inventory& inventory,
             OperationList& operations, Requests& requests, Assignments& assignments,
             const Configuring& configuring, SleepPolicy policy);
  /// A domain with a GPU has started or ended, or what the next boot needs is being written or done.
  void update_later();

 private:
  static constexpr std::chrono::seconds first_pause{5}, longest_pause{600};  ///< until logind is asked again
  const char* reason() const;
  bool in_use_now(const Assignment& assignment) const;
  void update();
  void take(const char* why);
  void failed(const char* why, const std::string& error);
  void drop_lock();
  void on_sleep(bool begins);

  EventLoop& loop_;
  ForkWorkers& workers_;
  Inventory& inventory_;
  OperationList& operations_;
  Requests& requests_;
  Assignments& assignments_;
  const Configuring& configuring_;
  SleepPolicy policy_;
  std::unique_ptr<sdbus::IProxy> logind_;
  std::optional<sdbus::UnixFd> lock_;
  EventLoop::Source again_;
  std::string told_;  ///< why there was no lock the last time
  std::chrono::seconds pause_{first_pause};
  const char* held_for_{};  ///< why the lock is held, or asked for
};

}  // namespace gpuctl
