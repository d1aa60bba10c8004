// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/problem.hpp"
#include "os/root_dir.hpp"
#include "vm/domain_facts.hpp"
#include "vm/hypervisor.hpp"
#include "vm/vm_host.hpp"

namespace gpuctl {

/// The guest's picture that Looking Glass is to carry.
struct GuestPicture {
  unsigned width{}, height{};
  bool hdr{};
  /// "2560x1440" or "2560x1440@hdr", each side 320 to 16384.
  static std::optional<GuestPicture> parse(std::string_view text);
  bool operator==(const GuestPicture&) const = default;
};

/// Shared memory it needs, in MiB: the larger of what releases B6 and B7 ask for and what the code after B7
/// does.
std::uint64_t looking_glass_mib(const GuestPicture& picture);

inline constexpr auto looking_glass_name = "looking-glass";
inline constexpr auto looking_glass_file = "/dev/shm/looking-glass";
inline constexpr auto kvmfr_device = "/dev/kvmfr0";

inline constexpr auto looking_glass_tmpfiles_path = "/etc/tmpfiles.d/10-looking-glass.conf";
/// Contents of that file: the file exists, with the user's access, before QEMU
/// makes it.
std::string looking_glass_tmpfiles(unsigned uid);

/// What the host has for Looking Glass.
struct LookingGlassHost {
  HostFile shm;    ///< /dev/shm/looking-glass
  HostFile kvmfr;  ///< /dev/kvmfr0
  bool kvmfr_loaded{};
  std::optional<std::uint64_t> kvmfr_mib;  ///< static_size_mb of modprobe.d
  bool tmpfiles{};                         ///< an entry makes the shm file at boot
  bool kvmfr_in_cgroup{};        ///< cgroup_device_acl of qemu.conf has it, or libvirt uses no device cgroup
  bool kvmfr_in_apparmor{true};  ///< AppArmor is off, or lets QEMU open it
  std::string apparmor_place;    ///< file for the rule that would let it
  bool selinux{};                ///< SELinux denies QEMU the file as it is labelled
  bool client{true};             ///< looking-glass-client is installed
  std::string user;              ///< name of the person asking; empty = unknown here
  std::vector<unsigned> groups;  ///< of that user, by /etc/passwd and /etc/group
};

LookingGlassHost read_looking_glass_host(const RootDir& root, unsigned uid);

/// Does the VM's picture reach user `uid`? Pure. Ids: looking-glass-none, shmem-size, shmem-model,
/// shm-no-tmpfiles, shm-permission, shm-size-stale, shm-selinux; kvmfr-not-loaded, kvmfr-not-a-device,
/// kvmfr-size, kvmfr-cgroup, kvmfr-apparmor, kvmfr-permission; looking-glass-no-spice, looking-glass-tablet,
/// looking-glass-no-client.
Problems looking_glass_problems(const std::string& vm, const DomainFacts& facts, const LookingGlassHost& host,
                                unsigned uid);

/// The same for a host none of whose VMs has memory for it: what is there already must be `uid`'s to use.
Problems looking_glass_host_problems(const LookingGlassHost& host, unsigned uid);

/// Has it memory for Looking Glass, by either transport?
bool has_looking_glass(const DomainFacts& facts);

}  // namespace gpuctl
