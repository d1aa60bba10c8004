// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/devices.hpp"
#include "core/problem.hpp"
#include "os/root_dir.hpp"
#include "vm/hypervisor.hpp"
#include "vm/vm_setup.hpp"
#include "vm/vm_undo.hpp"

namespace gpuctl {

/// An option as it comes from the bus.
using OptionValue = std::variant<bool, std::string>;
using Options = std::map<std::string, OptionValue>;

/// SetupVm's options, checked.
struct SetupRequest {
  bool dry_run{};
  std::optional<GuestPicture> picture{};
  PictureTransport transport{PictureTransport::shmem};
  std::optional<std::string> rom{};  ///< "auto" must have been made a path by the caller
  std::optional<PciSlot> gpu{};      ///< which GPU the ROM is for
  std::optional<bool> battery{};
};

/// Keys dry-run, looking-glass, transport, rom, battery; `interactive` and `gpu` are the caller's and are
/// skipped. Throws Error(invalid_argument) naming the key.
SetupRequest parse_setup_options(const Options& options);

/// ListVms' entry.
struct VmEntry {
  std::string name, uuid;
  VmState state{};
  std::vector<PciAddress> functions{};  ///< of the host's GPUs, in its definition
  Problems problems{};                  ///< vm_fitness(), for VMs with a GPU
};

struct VmServicePaths {
  std::filesystem::path state{"/var/lib/gpuctl"};     ///< vm-undo/ is made below it
  std::filesystem::path tmpfiles{"/etc/tmpfiles.d"};  ///< gets 10-looking-glass.conf
  std::string battery_table{};                        ///< empty = where this build installs it
};

/// What the bus offers about VMs, in plain values. Every call blocks (libvirt, files): worker processes only.
/// Throws as Hypervisor does, and what is said here.
class VmService {
 public:
  VmService(Hypervisor& hypervisor, const RootDir& root, VmServicePaths paths = {});

  std::vector<VmEntry> list(const Snapshot& snapshot);
  /// `gpus`: those the VM is to get, besides those in its definition.
  Problems check(const std::string& vm, const Snapshot& snapshot, const std::vector<Gpu>& gpus);
  Problems check_looking_glass(const std::string& vm, unsigned uid);
  /// The change as a unified diff. Proven by reading the definition again; a refused one leaves no copy
  /// behind. Error(invalid_argument): a ROM for a VM with several GPUs, or none; a path that is not absolute.
  std::string setup(const std::string& vm, const SetupRequest& request, const Snapshot& snapshot,
                    unsigned uid);
  /// Error(not_found): nothing to undo.
  std::string undo(const std::string& vm, bool dry_run);

 private:
  SetupChanges changes_for(const Vm& vm, const SetupRequest& request, const Snapshot& snapshot);
  void apply(const Vm& vm, const std::string& xml, const SetupChanges& changes);
  void write_tmpfiles(unsigned uid) const;

  Hypervisor& hypervisor_;
  const RootDir& root_;
  VmServicePaths paths_;
  VmUndo undo_;
};

}  // namespace gpuctl
