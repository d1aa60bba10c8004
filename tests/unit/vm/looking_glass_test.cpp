// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/looking_glass.hpp"

#include <doctest/doctest.h>

#include "support/fake_machine.hpp"
#include "unit/vm/domains.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

using Ids = std::vector<std::string>;

Ids ids(const Problems& problems) {
  Ids found;
  for (const auto& problem : problems) found.push_back(problem.id);
  return found;
}

const std::string spice = "    <graphics type='spice'/>\n";
const std::string shmem =
    "    <shmem name='looking-glass'><model type='ivshmem-plain'/><size unit='M'>64</size></shmem>\n";

std::string kvmfr(std::uint64_t bytes) {
  auto xml = q35(spice);
  xml.insert(xml.find("</domain>"),
             "  <qemu:commandline>\n    <qemu:arg value='-object'/>\n    <qemu:arg value='{\"qom-type\":"
             "\"memory-backend-file\",\"id\":\"looking-glass\",\"mem-path\":\"/dev/kvmfr0\",\"size\":" +
                 std::to_string(bytes) + "}'/>\n  </qemu:commandline>\n");
  return xml.replace(0, 8, "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' ");
}

Problems check(const std::string& xml, const LookingGlassHost& host, unsigned uid = 1000) {
  return looking_glass_problems("vm", domain_facts(xml), host, uid);
}

LookingGlassHost good_kvmfr() {
  LookingGlassHost host;
  host.kvmfr = {HostFile::Kind::character_device, 0, 0, 108, 0660, false};
  host.kvmfr_mib = 64;
  host.kvmfr_in_cgroup = true;
  host.groups = {1000, 108};
  return host;
}

}  // namespace

TEST_CASE("shared memory is as large as Looking Glass's documentation says") {
  struct {
    const char* picture;
    std::uint64_t mib;
  } const table[] = {
      {"1920x1080", 32},  {"1920x1080@hdr", 64},  {"1920x1200", 32},  {"1920x1200@hdr", 64},
      {"2560x1440", 64},  {"2560x1440@hdr", 128}, {"3440x1440", 64},  {"3440x1440@hdr", 128},
      {"3840x2160", 128}, {"3840x2160@hdr", 256}, {"5120x2880", 256}, {"7680x4320", 512},
  };
  for (const auto& [text, mib] : table) {
    CAPTURE(text);
    CHECK(looking_glass_mib(GuestPicture::parse(text).value()) == mib);
  }
}

TEST_CASE("picture sizes are taken in one form only") {
  CHECK(GuestPicture::parse("2560x1440@hdr") == GuestPicture{2560, 1440, true});
  for (const auto* text :
       {"", "x", "1920", "1920x", "x1080", "1920x1080x", "1920X1080", "1920x1080@HDR", "1920x1080@",
        "-1920x1080", "01920x1080", "1920x99999", "0x780x1080", " 1920x1080", "100x100", "1920x1e3"})
    CHECK_FALSE(GuestPicture::parse(text));
}

TEST_CASE("a VM without shared memory has no Looking Glass, and is told the command") {
  const auto problems = check(q35(spice), {});
  REQUIRE(ids(problems) == Ids{"looking-glass-none"});
  CHECK(contains(problems.front().remedy, "gpuctl vm setup vm --looking-glass"));
}

TEST_CASE("without any VM for it, what the host has already must be the person's to use") {
  CHECK(ids(looking_glass_host_problems({}, 1000)) == Ids{"looking-glass-none"});
  auto host = good_kvmfr();
  host.shm = {HostFile::Kind::regular, 64 << 20, 64055, 108, 0600, false};
  host.client = false;
  const auto problems = looking_glass_host_problems(host, 1000);
  CHECK(ids(problems) ==
        Ids{"looking-glass-none", "shm-no-tmpfiles", "shm-permission", "looking-glass-no-client"});
  CHECK(problems.back().severity == Severity::info);
  host.kvmfr_in_cgroup = false;
  CHECK(ids(looking_glass_host_problems(host, 1000)).at(3) == "kvmfr-cgroup");
  host.kvmfr.kind = HostFile::Kind::regular;
  CHECK(ids(looking_glass_host_problems(host, 1000)).at(3) == "kvmfr-not-a-device");
}

TEST_CASE("shared memory of the right owner and size has no problem") {
  LookingGlassHost host;
  host.tmpfiles = true;
  CHECK(check(q35(spice + shmem), host).empty());
  host.shm = {HostFile::Kind::regular, 64 << 20, 1000, 108, 0660, false};
  CHECK(check(q35(spice + shmem), host).empty());
}

TEST_CASE("a file that QEMU made for itself, or of another size, is found") {
  LookingGlassHost host;
  host.shm = {HostFile::Kind::regular, 32 << 20, 64055, 108, 0600, false};
  CHECK(ids(check(q35(spice + shmem), host)) == Ids{"shm-no-tmpfiles", "shm-permission", "shm-size-stale"});
  const auto too_large = 128 << 20;
  host.shm = {HostFile::Kind::regular, too_large, 1000, 108, 0660, false};
  host.tmpfiles = true;
  CHECK(check(q35(spice + shmem), host).at(0).severity == Severity::warning);
  host.shm.bytes = 32 << 20;  // QEMU does not start with it
  CHECK(check(q35(spice + shmem), host).at(0).severity == Severity::blocker);
  host.shm = {HostFile::Kind::regular, 64 << 20, 64055, 108, 0660, false};
  CHECK(ids(check(q35(spice + shmem), host)) == Ids{"shm-permission"});
  host.groups = {108};
  CHECK(check(q35(spice + shmem), host).empty());
  host.selinux = true;
  CHECK(ids(check(q35(spice + shmem), host)) == Ids{"shm-selinux"});
}

TEST_CASE("a size that is no power of two, another model, no SPICE and a tablet are named") {
  LookingGlassHost host;
  host.tmpfiles = true;
  const auto bad =
      "    <shmem name='looking-glass'><model type='ivshmem-doorbell'/><size unit='M'>48</size></shmem>\n"
      "    <input type='tablet' bus='usb'/>\n";
  CHECK(ids(check(q35(bad), host)) ==
        Ids{"shmem-size", "shmem-model", "looking-glass-no-spice", "looking-glass-tablet"});
}

TEST_CASE("kvmfr that is a real device of the right size, which all may open, has no problem") {
  CHECK(check(kvmfr(64 << 20), good_kvmfr()).empty());
}

TEST_CASE("a kvmfr node that QEMU made as an ordinary file is told from a missing module") {
  auto host = good_kvmfr();
  host.kvmfr.kind = HostFile::Kind::regular;
  CHECK(ids(check(kvmfr(64 << 20), host)) == Ids{"kvmfr-not-a-device"});
  host.kvmfr.kind = HostFile::Kind::absent;
  CHECK(ids(check(kvmfr(64 << 20), host)) == Ids{"kvmfr-not-loaded"});
}

TEST_CASE("each lock on kvmfr is named: size, cgroup, AppArmor, permissions") {
  auto host = good_kvmfr();
  host.kvmfr_mib = 32;
  host.kvmfr_in_cgroup = false;
  host.kvmfr_in_apparmor = false;
  host.groups.clear();
  CHECK(ids(check(kvmfr(64 << 20), host)) ==
        Ids{"kvmfr-size", "kvmfr-cgroup", "kvmfr-apparmor", "kvmfr-permission"});
}

TEST_CASE("the host's side is read from where the admin writes it") {
  FakeMachine machine;
  machine
      .file("etc/modprobe.d/kvmfr.conf",
            "# options kvmfr static_size_mb=16\noptions kvmfr static_size_mb=128\n")
      .file("etc/tmpfiles.d/10-looking-glass.conf", looking_glass_tmpfiles(1000))
      .file("etc/libvirt/qemu.conf",
            "#cgroup_device_acl = [ \"/dev/kvmfr0\" ]\ncgroup_device_acl = [\n    \"/dev/null\",\n"
            "    # \"/dev/kvmfr1\",\n    \"/dev/kvmfr0\"\n]\n")
      .file("sys/module/apparmor/parameters/enabled", "Y\n")
      .file("etc/apparmor.d/local/abstractions/libvirt-qemu", "# /dev/kvmfr0 rw,\n")
      .file("etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\n")
      .file("etc/group", "kvm:x:108:libvirt-qemu,ann\nother:x:7:bob\n")
      .file("dev/shm/looking-glass", "x")
      .file("dev/kvmfr0", "");
  const RootDir root{machine.root()};
  const auto host = read_looking_glass_host(root, 1000);
  CHECK(host.kvmfr_mib == 128);
  CHECK(host.tmpfiles);
  CHECK(host.kvmfr_in_cgroup);
  CHECK_FALSE(host.kvmfr_in_apparmor);
  CHECK(host.user == "ann");
  CHECK(host.groups == std::vector<unsigned>{1001, 108});
  CHECK(host.kvmfr.kind == HostFile::Kind::regular);
  CHECK(host.shm.bytes == 1);
  CHECK_FALSE(host.client);
  machine.file("usr/local/bin/looking-glass-client", "");
  CHECK(read_looking_glass_host(root, 1000).client);
  machine.file("etc/libvirt/qemu.conf", "#cgroup_device_acl = [ \"/dev/kvmfr0\" ]\n");
  CHECK_FALSE(read_looking_glass_host(root, 1000).kvmfr_in_cgroup);
  CHECK(read_looking_glass_host(root, 4242).user.empty());
}

TEST_CASE("files are looked at where process 1 sees them") {
  FakeMachine machine;
  machine.file("dev/kvmfr0", "private").file("proc/1/root/dev/other", "");
  machine.file("proc/1/root/home/me/card.rom", "ROM");
  CHECK(host_file(RootDir{machine.root()}, "/home/me/card.rom").kind == HostFile::Kind::regular);
  CHECK(host_file(RootDir{machine.root()}, "/dev/kvmfr0").kind == HostFile::Kind::absent);
  CHECK(host_file(RootDir{"/"}, "/dev/null").kind == HostFile::Kind::character_device);
}

TEST_CASE("the tmpfiles entry names the user by number and QEMU's group") {
  CHECK(looking_glass_tmpfiles(1000) == "f /dev/shm/looking-glass 0660 1000 kvm -\n");
}
