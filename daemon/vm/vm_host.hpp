// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/pci_address.hpp"
#include "os/root_dir.hpp"
#include "vm/qemu_apparmor.hpp"

namespace gpuctl {

/// A firmware image as its descriptor tells it (QEMU docs/interop/firmware.json).
struct FirmwareImage {
  std::string descriptor;  ///< file name
  std::string executable;
  bool uefi{};
  std::vector<std::string> features;  ///< "secure-boot", "enrolled-keys", "requires-smm", ...
  std::vector<std::pair<std::string, std::string>> targets;  ///< architecture, machine pattern
  bool has(const std::string& feature) const;
  /// `machine` as in a definition: "q35" and "pc" stand for the newest of their kind.
  bool fits(const std::string& arch, const std::string& machine) const;
};

/// A file on the host that QEMU is to open.
struct HostFile {
  enum class Kind { absent, regular, character_device, other };
  Kind kind{Kind::absent};
  std::uint64_t bytes{};
  unsigned uid{}, gid{}, mode{};
  bool reachable{};  ///< readable by everybody, and all directories above it can be entered by everybody
};

struct Hugepages {
  std::uint64_t total{}, free{};
};

/// What decides, on this host, whether a definition can work. A value; see read_vm_host().
struct VmHost {
  std::vector<FirmwareImage> firmware;
  bool swtpm{};  ///< and swtpm_setup: libvirt runs both
  bool laptop{};
  std::uint64_t memory_kib{}, available_kib{};
  std::map<std::uint64_t, Hugepages> hugepages;  ///< by page size in KiB
  std::uint64_t default_hugepage_kib{};
  std::set<std::uint64_t> hugetlbfs;  ///< page sizes in KiB that a file system is mounted for
  QemuAppArmor apparmor;
  bool selinux{};
  std::map<std::string, HostFile> files;
  std::map<PciAddress, std::uint64_t> largest_bar;  ///< bytes
};

/// `files`: absolute paths named by the definition; `functions`: host functions in it.
VmHost read_vm_host(const RootDir& root, const std::vector<std::string>& files,
                    const std::vector<PciAddress>& functions);

/// Descriptors of etc/qemu/firmware and usr/share/qemu/firmware in libvirt's order: by file name; a file in
/// /etc hides the one of the same name, an empty one without replacing it. Total: what is no descriptor is
/// left out.
std::vector<FirmwareImage> read_firmware(const RootDir& root);

/// Looked at through process 1's root where that can be seen: the daemon's own /dev and /tmp are private, and
/// it has no /home.
HostFile host_file(const RootDir& root, const std::string& absolute_path);

}  // namespace gpuctl
