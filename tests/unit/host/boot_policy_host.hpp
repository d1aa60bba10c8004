// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "host/boot_rules.hpp"
#include "host/boot_store.hpp"
#include "host/host_service.hpp"
#include "support/machines.hpp"
#include "system_tools.hpp"

namespace gpuctl::test {

inline const PciAddress gpu_address{0, 1, 0, 0};
inline const auto trial_rules = path_of(RuleFile::trial);
inline const auto confirmed_rules = path_of(RuleFile::boot);

/// The reference laptop with its boot policies.
struct PolicyHost {
  FakeMachine machine;
  RootDir root{machine.root()};
  ApplyingSystemd systemd{root};
  HostService service{root, systemd, systemd.paths()};
  Snapshot snapshot;

  explicit PolicyHost(const std::string& driver = "nvidia") {
    boot("boot-a");
    machine.file("usr/sbin/update-initramfs", "");
    snapshot.host.iommu = "intel";
    add(gpu_address, laptop_gpu_id, driver);
    add({0, 1, 0, 1}, laptop_audio_id, driver);
    snapshot.gpus[gpu_address.slot()] = {gpu_address, {gpu_address, {0, 1, 0, 1}}};
  }
  void add(PciAddress address, PciIdentity id, const std::string& driver) {
    auto& f = snapshot.functions[address];
    f.address = address;
    f.id = id;
    f.driver = driver;
    f.vfio = driver == "vfio-pci";
  }
  const Gpu& gpu() const { return snapshot.gpus.at(gpu_address.slot()); }
  /// The machine starts: what gpuctl-boot.service does first.
  void boot(const std::string& id) {
    machine.file("proc/sys/kernel/random/boot_id", id + "\n");
    begin_boot(root, systemd.paths().state);
  }
  /// A policy on trial in a boot in which a host driver may have been faster.
  void try_for_a_boot() {
    set("vm");
    boot("boot-b");
    service.apply_boot_policy(snapshot);
  }
  /// The initramfs' tool writes one, perhaps, and fails.
  void fail_to_confirm() {
    systemd.failing = "update-initramfs";
    CHECK_THROWS_AS(service.confirm_boot_policy(gpu()), Error);
  }
  std::string set(const std::string& side, bool migrate = false) {
    return service.set_boot_policy(gpu(), side, migrate, snapshot);
  }
};

}  // namespace gpuctl::test
