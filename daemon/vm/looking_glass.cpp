// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/looking_glass.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "core/shell_word.hpp"
#include "vm/domain_xml.hpp"

namespace gpuctl {
namespace {

constexpr std::uint64_t mib = 1024 * 1024;

struct Check {
  const std::string& vm;
  const DomainFacts& facts;
  const LookingGlassHost& host;
  unsigned uid;
  Problems& found;

  void blocker(const char* id, const std::string& subject, const std::string& message,
               const std::string& remedy) const {
    found.push_back({id, Severity::blocker, subject, message, remedy});
  }
  void warning(const char* id, const std::string& subject, const std::string& message,
               const std::string& remedy) const {
    found.push_back({id, Severity::warning, subject, message, remedy});
  }
};

bool may_write(const HostFile& file, const Check& check) {
  if (file.uid == check.uid) return (file.mode & 0600) == 0600;
  if (std::ranges::count(check.host.groups, file.gid) > 0) return (file.mode & 0060) == 0060;
  return (file.mode & 0006) == 0006;
}

/// QEMU uses a file that is larger, and does not start with one that is smaller (hostmem-file: "backing store
/// size does not match 'size' option").
void check_shm_size(const Check& check, std::uint64_t bytes) {
  const auto has = check.host.shm.bytes;
  const auto what = fmt::format("It has {} MiB and the VM is set to {}.", has / mib, bytes / mib);
  const auto remedy = fmt::format("shut the VM down, remove the file and run 'systemd-tmpfiles --create {}'",
                                  looking_glass_tmpfiles_path);
  if (has < bytes) return check.blocker("shm-size-stale", looking_glass_file, what, remedy);
  check.warning("shm-size-stale", looking_glass_file, what, remedy);
}

void check_shm_file(const Check& check, std::uint64_t bytes) {
  const auto& file = check.host.shm;
  if (!check.host.tmpfiles)
    check.warning(
        "shm-no-tmpfiles", looking_glass_tmpfiles_path,
        "Nothing makes the shared memory file with your access before QEMU makes it with its own.",
        fmt::format("put '{}' into {} and run 'systemd-tmpfiles --create {}'",
                    looking_glass_tmpfiles(check.uid).substr(0, looking_glass_tmpfiles(check.uid).size() - 1),
                    looking_glass_tmpfiles_path, looking_glass_tmpfiles_path));
  if (file.kind == HostFile::Kind::absent) return;
  if (!may_write(file, check))
    check.blocker("shm-permission", looking_glass_file,
                  fmt::format("It belongs to user {} and group {} with mode {:04o}: you cannot open it.",
                              file.uid, file.gid, file.mode),
                  fmt::format("shut the VM down, remove the file and run 'systemd-tmpfiles --create {}'",
                              looking_glass_tmpfiles_path));
  if (file.bytes != 0 && file.bytes != bytes) check_shm_size(check, bytes);
  if (check.host.selinux)
    check.warning(
        "shm-selinux", looking_glass_file, "SELinux denies QEMU a file it has not labelled itself.",
        fmt::format("semanage fcontext -a -t svirt_tmpfs_t {0}; restorecon {0}", looking_glass_file));
}

void check_shmem(const Check& check, const SharedMemory& shmem) {
  const auto bytes = shmem.bytes ? shmem.bytes : 4 * mib;
  if (!std::has_single_bit(bytes) || bytes < mib)
    check.blocker("shmem-size", check.vm,
                  fmt::format("The shared memory has {} bytes, which is no power of two.", bytes),
                  fmt::format("gpuctl vm setup {} --looking-glass WIDTHxHEIGHT", shell_word(check.vm)));
  if (shmem.model != "ivshmem-plain")
    check.blocker("shmem-model", check.vm, fmt::format("The shared memory has model '{}'.", shmem.model),
                  "its model must be ivshmem-plain");
  check_shm_file(check, bytes);
}

bool check_kvmfr_node(const Check& check) {
  const auto kind = check.host.kvmfr.kind;
  if (kind == HostFile::Kind::character_device) return true;
  if (kind == HostFile::Kind::regular)
    check.blocker("kvmfr-not-a-device", kvmfr_device,
                  "It is an ordinary file: the VM was started without the kvmfr module, and QEMU made it.",
                  fmt::format("shut the VM down, remove {}, then modprobe kvmfr", kvmfr_device));
  else
    check.blocker("kvmfr-not-loaded", kvmfr_device, "The kvmfr module is not loaded.",
                  "modprobe kvmfr, and put 'kvmfr' into /etc/modules-load.d/kvmfr.conf");
  return false;
}

void check_kvmfr_access(const Check& check) {
  if (!check.host.kvmfr_in_cgroup)
    check.blocker("kvmfr-cgroup", "/etc/libvirt/qemu.conf", "libvirt does not let QEMU open /dev/kvmfr0.",
                  "add \"/dev/kvmfr0\" to cgroup_device_acl, with all the names its comment lists, and "
                  "restart libvirtd");
  if (!check.host.kvmfr_in_apparmor)
    check.blocker("kvmfr-apparmor", check.host.apparmor_place, "AppArmor does not let QEMU open /dev/kvmfr0.",
                  "add the line '/dev/kvmfr0 rw,' there");
  if (!may_write(check.host.kvmfr, check))
    check.blocker("kvmfr-permission", kvmfr_device,
                  fmt::format("It has group {} and mode {:04o}: you cannot open it.", check.host.kvmfr.gid,
                              check.host.kvmfr.mode),
                  "put 'SUBSYSTEM==\"kvmfr\", GROUP=\"kvm\", MODE=\"0660\", TAG+=\"uaccess\"' into "
                  "/etc/udev/rules.d/70-kvmfr.rules");
}

void check_kvmfr(const Check& check, std::uint64_t bytes) {
  if (!check_kvmfr_node(check)) return;
  if (check.host.kvmfr_mib && *check.host.kvmfr_mib * mib != bytes)
    check.blocker(
        "kvmfr-size", check.vm,
        fmt::format("The VM gives kvmfr {} bytes; the module has {} MiB (static_size_mb).", bytes,
                    *check.host.kvmfr_mib),
        fmt::format("put 'options kvmfr static_size_mb={}' into /etc/modprobe.d/kvmfr.conf and load it again",
                    bytes / mib));
  check_kvmfr_access(check);
}

/// Not a blocker: somebody who built it has it where only his shell finds it.
void check_client(const Check& check) {
  if (!check.host.client)
    check.found.push_back({"looking-glass-no-client", Severity::info, "looking-glass-client",
                           "The client is neither in /usr/bin nor in /usr/local/bin of this host.",
                           "install or build looking-glass-client where you want to see the picture"});
}

const SharedMemory* picture_memory(const DomainFacts& facts) {
  const auto found = std::ranges::find(facts.shared_memory, looking_glass_name, &SharedMemory::name);
  return found == facts.shared_memory.end() ? nullptr : &*found;
}

void check_input(const Check& check) {
  if (std::ranges::count(check.facts.graphics, "spice") == 0)
    check.warning(
        "looking-glass-no-spice", check.vm,
        "Keyboard, mouse and clipboard come through SPICE, which the VM lacks.",
        fmt::format("gpuctl vm setup {} --looking-glass WIDTHxHEIGHT adds it", shell_word(check.vm)));
  if (std::ranges::any_of(check.facts.inputs, [](const auto& input) { return input.starts_with("tablet/"); }))
    check.warning("looking-glass-tablet", check.vm,
                  "The tablet device keeps Looking Glass from capturing the mouse.",
                  "remove the tablet from the VM's input devices");
}

std::uint64_t b7_bytes(const GuestPicture& p) {
  return std::uint64_t{p.width} * p.height * (p.hdr ? 8 : 4) * 2 + 10 * mib;
}

std::uint64_t current_bytes(const GuestPicture& p) {
  const auto row = (std::uint64_t{p.width} * 4 + 255) / 256 * 256;
  return row * p.height * 3 + 4 * mib;
}

}  // namespace

std::optional<GuestPicture> GuestPicture::parse(std::string_view text) {
  GuestPicture picture;
  if (text.ends_with("@hdr")) {
    picture.hdr = true;
    text.remove_suffix(4);
  }
  const auto by = text.find('x');
  if (by == std::string_view::npos) return std::nullopt;
  const auto side = [](std::string_view digits) -> std::optional<unsigned> {
    if (digits.empty() || digits.size() > 5 || digits.front() == '0') return std::nullopt;
    const auto value = parse_number(digits);
    return value && *value >= 320 && *value <= 16384 ? std::optional{static_cast<unsigned>(*value)}
                                                     : std::nullopt;
  };
  const auto width = side(text.substr(0, by)), height = side(text.substr(by + 1));
  if (!width || !height) return std::nullopt;
  picture.width = *width;
  picture.height = *height;
  return picture;
}

std::uint64_t looking_glass_mib(const GuestPicture& picture) {
  return std::bit_ceil(std::max(b7_bytes(picture), current_bytes(picture))) / mib;
}

std::string looking_glass_tmpfiles(unsigned uid) {
  return fmt::format("f {} 0660 {} kvm -\n", looking_glass_file, uid);
}

bool has_looking_glass(const DomainFacts& facts) {
  return picture_memory(facts) != nullptr || facts.kvmfr_bytes;
}

Problems looking_glass_problems(const std::string& vm, const DomainFacts& facts, const LookingGlassHost& host,
                                unsigned uid) {
  Problems found;
  const Check check{vm, facts, host, uid, found};
  if (!has_looking_glass(facts)) {
    check.blocker("looking-glass-none", vm, "The VM has no shared memory for Looking Glass.",
                  fmt::format("gpuctl vm setup {} --looking-glass WIDTHxHEIGHT", shell_word(vm)));
    return found;
  }
  if (const auto* shmem = picture_memory(facts)) check_shmem(check, *shmem);
  if (facts.kvmfr_bytes) check_kvmfr(check, *facts.kvmfr_bytes);
  check_input(check);
  check_client(check);
  return found;
}

Problems looking_glass_host_problems(const LookingGlassHost& host, unsigned uid) {
  Problems found;
  const DomainFacts no_facts;
  const std::string no_vm;
  const Check check{no_vm, no_facts, host, uid, found};
  check.blocker("looking-glass-none", "libvirt", "No VM has shared memory for Looking Glass.",
                "gpuctl vm setup VM --looking-glass WIDTHxHEIGHT");
  if (host.shm.kind != HostFile::Kind::absent) check_shm_file(check, host.shm.bytes);
  if (host.kvmfr.kind != HostFile::Kind::absent && check_kvmfr_node(check)) check_kvmfr_access(check);
  check_client(check);
  return found;
}

}  // namespace gpuctl
