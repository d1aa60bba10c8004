// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>

struct sd_bus;

namespace gpuctl {

/// What gpuctl asks of systemd. Blocking: called in a helper process only.
class SystemdControl {
 public:
  virtual ~SystemdControl() = default;
  /// Throws Error(kernel_refused) when the job fails or does not end in time.
  virtual void start_unit(const std::string& unit) = 0;
  virtual void stop_unit(const std::string& unit) = 0;
  /// Starts one that does not run. However often: the limit of a unit's starts (StartLimitBurst=) is not hit.
  virtual void restart_unit(const std::string& unit) = 0;
  /// Through modprobe@.service, so that gpuctld needs no CAP_SYS_MODULE. Its modprobe hides failures, so
  /// success is told by /sys/module and must be checked by the caller.
  virtual void load_module(const std::string& module) = 0;
  virtual void unload_module(const std::string& module) = 0;
};

/// systemd's D-Bus API, synchronously, over a bus connection of its own that is opened when it is first
/// needed: one that was opened before a fork would be shared with the parent.
class DbusSystemdControl : public SystemdControl {
 public:
  /// Gives a new connection: the system bus unless told. Throws Error(kernel_refused).
  using Connect = std::function<sd_bus*()>;

  /// `deadline` is for one job, from the request to its end.
  explicit DbusSystemdControl(std::chrono::milliseconds deadline, Connect connect = {});
  ~DbusSystemdControl() override;
  void start_unit(const std::string& unit) override;
  /// A unit that systemd does not know is not running: success.
  void stop_unit(const std::string& unit) override;
  void restart_unit(const std::string& unit) override;
  /// modprobe@MODULE.service.
  void load_module(const std::string& module) override;
  /// gpuctl-rmmod@MODULE.service, which is ours.
  void unload_module(const std::string& module) override;

 private:
  struct Job;
  void forget_starts(const std::string& unit);
  void run_job(const char* method, const std::string& unit);
  void wait_for(Job& job, const std::string& unit);
  sd_bus* bus();

  std::chrono::milliseconds deadline_;
  Connect connect_;
  sd_bus* bus_{};
};

}  // namespace gpuctl
