// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <functional>
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
  std::optional<std::string> rom{};   ///< absolute path, "auto" = read from the card, empty = none
  std::optional<PciSlot> gpu{};       ///< which GPU the ROM is for
  std::optional<PciSlot> only_gpu{};  ///< for a VM without GPU: the one that it could get
  std::optional<bool> battery{};
};

/// Keys dry-run, looking-glass, transport, rom, battery; `interactive` and `gpu` are the caller's and are
/// skipped. Throws Error(invalid_argument) naming the key.
SetupRequest parse_setup_options(const Options& options);

/// ListVms' entry.
struct VmEntry {
  std::string name, uuid;
  VmState state{};
  std::vector<PciAddress> gpus{};  ///< of the host, in its definition: their display functions
  Problems problems{};             ///< vm_fitness(), for VMs with a GPU
};

/// Where things are, and what is done by others.
struct VmServicePlaces {
  std::filesystem::path state{"/var/lib/gpuctl"};  ///< vm-undo/ is made below it
  std::filesystem::path locks{"/run/gpuctl/vm"};   ///< of DomainLock
  std::string battery_table{};                     ///< empty = where this build installs it
  /// Makes looking_glass_tmpfiles_path have this text, and systemd-tmpfiles do what it says; nothing =
  /// removes it.
  std::function<void(const std::optional<std::string>& text)> install_tmpfiles{};
  /// The path of a file with this function's option ROM, written now unless this is a dry run. Throws Error
  /// where none can be had.
  std::function<std::string(PciAddress function, bool dry_run)> rom_file{};
};

/// What the bus offers about VMs, in plain values. Every call blocks (libvirt, files): worker processes only.
/// Throws as Hypervisor does, and what is said here.
class VmService {
 public:
  VmService(Hypervisor& hypervisor, const RootDir& root, VmServicePlaces places = {});

  std::vector<VmEntry> list(const Snapshot& snapshot);
  /// `gpu`: that the VM is to get, besides those in its definition; `otherwise`: if it has none there either.
  Problems check(const std::string& vm, const Snapshot& snapshot, const std::optional<Gpu>& gpu,
                 const std::optional<PciSlot>& otherwise);
  /// `vm` may be empty: every VM with memory for it, or the host's side alone where none has.
  Problems check_looking_glass(const std::string& vm, unsigned uid);
  /// The change as a unified diff. Proven by reading the definition again; a refused one leaves no copy
  /// behind. Error(busy): another operation changes it. Error(invalid_argument): a ROM for a VM with several
  /// GPUs, or none; a path that is not absolute.
  std::string setup(const std::string& vm, const SetupRequest& request, const Snapshot& snapshot,
                    unsigned uid);
  /// Error(not_found): nothing to undo. Error(blocked): others have changed the definition since.
  /// Error(busy): another operation changes the VM.
  std::string undo(const std::string& vm, bool dry_run, const Snapshot& snapshot);

 private:
  SetupChanges changes_for(const Vm& vm, const SetupRequest& request, const Snapshot& snapshot);
  std::vector<Vm> with_looking_glass() const;
  std::optional<FileChange> tmpfiles_change(const SetupRequest& request, unsigned uid) const;
  std::optional<FileChange> tmpfiles_return(const Vm& vm, const UndoCopy& copy) const;
  std::size_t spent_copies(const Vm& vm) const;
  std::string apply(const Vm& seen, const SetupChanges& changes, const std::optional<FileChange>& tmpfiles);
  void define(const UndoCopy& copy, const Vm& vm, const std::string& xml, const SetupChanges& changes);
  void note_made(const std::string& uuid, const std::string& xml);
  std::string install(const FileChange& tmpfiles) const;
  void keep_copy(const Vm& seen, const FileChange& tmpfiles);
  std::string rom_path(const SetupRequest& request, PciAddress function) const;

  Hypervisor& hypervisor_;
  const RootDir& root_;
  VmServicePlaces places_;
  VmUndo undo_;
};

}  // namespace gpuctl
