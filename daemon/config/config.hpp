// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "core/problem.hpp"
#include "core/step.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// [timeouts]: how long a step may take before its GPU counts as stuck.
struct TimeoutConfig {
  std::chrono::seconds unit{120};   ///< starting and stopping a unit
  std::chrono::seconds module{60};  ///< loading and unloading a module
  std::chrono::seconds bind{60};    ///< nvidia's probe uploads firmware
  std::chrono::seconds unbind{30};
  std::chrono::seconds vm{120};  ///< what libvirt or the guest has to do
  std::chrono::seconds other{15};
  std::chrono::seconds settle{};  ///< as in [quiesce]: what looking for users waits for them
  /// `forced`: users are asked for again, signalled and waited for.
  std::chrono::seconds of(StepKind kind, bool forced = false) const;
  bool operator==(const TimeoutConfig&) const = default;
};

/// [quiesce]: what gpuctl may do to free a GPU.
struct QuiesceConfig {
  std::vector<std::string> stop_units{"nvidia-persistenced.service", "nvidia-powerd.service",
                                      "nvidia-dcgm.service"};
  bool drm_remove{true};
  bool unload_modules{true};
  std::chrono::seconds settle{3};  ///< time for those who were asked to let go
  bool operator==(const QuiesceConfig&) const = default;
};

/// [vm]
struct VmConfig {
  bool keep{};  ///< leave the GPU with VFIO when its VM stops
  std::string libvirt_uri{"qemu:///system"};
  bool operator==(const VmConfig&) const = default;
};

enum class SleepPolicy { block, allow };
/// [sleep]
struct SleepConfig {
  SleepPolicy while_vm_has_gpu{SleepPolicy::block};
  bool operator==(const SleepConfig&) const = default;
};

/// [operations]
struct OperationConfig {
  std::chrono::seconds retention{60};  ///< finished operations stay listed
  bool operator==(const OperationConfig&) const = default;
};

/// [polkit]
struct PolkitConfig {
  bool interactive{true};  ///< a person may be asked for a password
  bool operator==(const PolkitConfig&) const = default;
};

enum class LogLevel { error, warning, info, debug };
/// [log]
struct LogConfig {
  LogLevel level{LogLevel::info};
  bool operator==(const LogConfig&) const = default;
};

/// What an admin can set. The defaults are those of the shipped file; gpuctl.toml(5) documents every key.
struct Config {
  QuiesceConfig quiesce;
  TimeoutConfig timeouts;
  VmConfig vm;
  SleepConfig sleep;
  OperationConfig operations;
  PolkitConfig polkit;
  LogConfig log;
  /// Of steps under this configuration.
  TimeoutConfig step_timeouts() const;
  bool operator==(const Config&) const = default;
};

/// Something wrong at one place of a configuration file.
struct ConfigProblem {
  Severity
      severity{};  ///< blocker: the setting, or all of an unreadable file, is not used; warning: unknown key
  std::string file;
  unsigned line{}, column{};  ///< from 1; 0 = the file as a whole
  std::string message;
  bool operator==(const ConfigProblem&) const = default;
  /// "/etc/gpuctl/gpuctl.toml:12:5: error: ...", as compilers and editors write positions.
  std::string str() const;
};

struct LoadedConfig {
  Config config;
  std::vector<ConfigProblem> problems;
  bool ok() const;  ///< no blocker among them; unknown keys are warnings
};

/// One file's settings on top of `base`. Settings that are wrong are reported and left as they were; `text`
/// that is no TOML changes nothing. Never throws for anything in `text`.
LoadedConfig parse_config(std::string_view text, const std::string& file, Config base = {});

/// /etc/gpuctl/gpuctl.toml, then /etc/gpuctl/gpuctl.toml.d/*.toml by name; later files win. A file that
/// others than its owner, root or this user, may write is refused.
LoadedConfig load_config(const RootDir& root);

/// For `gpuctld --check-config`: a line for each problem; the exit status, 0 or 1.
int report(const LoadedConfig& loaded, std::FILE* to);

}  // namespace gpuctl
