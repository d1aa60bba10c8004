// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>

#include "config/config.hpp"
#include "os/pci_control.hpp"
#include "os/root_dir.hpp"
#include "os/systemd_control.hpp"
#include "vm/hypervisor.hpp"
#include "vm/timed_hypervisor.hpp"

namespace gpuctl {

/// Where the machine is and how it is acted on; the makers run in worker processes. Tests put fakes here.
struct Platform {
  std::filesystem::path root{"/"};    ///< holds sys and proc
  std::filesystem::path modules_dir;  ///< of modules.alias
  std::filesystem::path runtime_dir{"/run/gpuctl"};
  std::filesystem::path state_dir{"/var/lib/gpuctl"};
  Config config;
  std::function<std::unique_ptr<PciControl>(const RootDir&)> pci_control;
  /// With the longest time that one of its jobs may take.
  std::function<std::unique_ptr<SystemdControl>(std::chrono::milliseconds)> systemd_control;
  std::function<std::unique_ptr<Hypervisor>()> hypervisor;  ///< throws Error(libvirt_unavailable)
};

/// For whoever waits for the answer: less than a query has.
inline std::unique_ptr<Hypervisor> answering_hypervisor(const Platform& platform,
                                                        Patience patience = Patience::in_all) {
  return std::make_unique<TimedHypervisor>(platform.hypervisor, std::chrono::seconds{15}, patience);
}

inline std::filesystem::path domain_locks(const Platform& platform) { return platform.runtime_dir / "vm"; }

}  // namespace gpuctl
