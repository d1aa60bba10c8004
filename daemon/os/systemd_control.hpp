// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

namespace gpuctl {

/// What gpuctl asks of systemd. Blocking: called in a helper process only.
class SystemdControl {
 public:
  virtual ~SystemdControl() = default;
  /// Throws Error(kernel_refused) when the job fails or does not end in time.
  virtual void start_unit(const std::string& unit) = 0;
  virtual void stop_unit(const std::string& unit) = 0;
  /// Through modprobe@.service, so that gpuctld needs no CAP_SYS_MODULE. Its modprobe hides failures, so
  /// success is told by /sys/module and must be checked by the caller.
  virtual void load_module(const std::string& module) = 0;
  virtual void unload_module(const std::string& module) = 0;
};

}  // namespace gpuctl
