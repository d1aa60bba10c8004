// SPDX-License-Identifier: GPL-2.0-or-later
// What the doctor says about every machine in this directory, compared with the text checked in beside it.
// GPUCTL_WRITE_EXPECTED=1 in the environment writes those texts anew, to be read before they are committed.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "host/doctor.hpp"
#include "host/host_state.hpp"
#include "host/report.hpp"
#include "inventory/scan.hpp"
#include "support/captured_machine.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

namespace fs = std::filesystem;

const fs::path machines_dir{MACHINES};

std::vector<fs::path> machines() {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(machines_dir))
    for (const auto* name : {"machine.tree", "machine.json"})
      if (fs::exists(entry.path() / name)) found.push_back(entry.path() / name);
  std::ranges::sort(found);
  return found;
}

Snapshot look(const RootDir& root) { return scan(root, {.host = read_host_state}); }

Problems examine(const CapturedMachine& captured, ReadRecorder* recorder = nullptr) {
  RootDir root{captured.machine.root()};
  root.record_to(recorder);
  return diagnose(root, look(root), {captured.uid, captured.groups});
}

std::string as_text(const Problems& findings) {
  std::string text;
  for (const auto& f : findings) {
    text += fmt::format("{:<8}{}", to_string(f.severity), f.id);
    if (!f.subject.empty()) text += fmt::format("  [{}]", f.subject);
    text += fmt::format("\n        {}\n", f.message);
    if (!f.remedy.empty()) text += fmt::format("        -> {}\n", f.remedy);
  }
  return text;
}

std::string contents(const fs::path& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string json_report(const CapturedMachine& captured) {
  Recording recording;
  const auto findings = examine(captured, &recording);
  return report(RootDir{captured.machine.root()}, recording, {captured.uid, captured.groups}, findings);
}

std::vector<std::string> ids(const Problems& findings) {
  std::vector<std::string> all;
  for (const auto& f : findings)
    all.push_back(fmt::format("{} {} {}", to_string(f.severity), f.id, f.subject));
  return all;
}

std::ptrdiff_t said_about(const CapturedMachine& captured, const std::string& id) {
  return std::ranges::count(examine(captured), id, &Problem::id);
}

Problem finding(const CapturedMachine& captured, const std::string& id) {
  const auto findings = examine(captured);
  const auto it = std::ranges::find(findings, id, &Problem::id);
  if (it == findings.end()) throw std::runtime_error("no finding " + id);
  return *it;
}

}  // namespace

TEST_CASE("the doctor says about every captured machine what is checked in") {
  REQUIRE(machines().size() >= 12);
  for (const auto& path : machines()) {
    CAPTURE(path.string());
    const auto expected = path.parent_path() / "doctor.txt";
    const auto said = as_text(examine(CapturedMachine{path}));
    if (std::getenv("GPUCTL_WRITE_EXPECTED") != nullptr) std::ofstream{expected} << said;
    CHECK(said == contents(expected));
  }
}

TEST_CASE("every finding but ok and info says what to do, and ready comes last") {
  for (const auto& path : machines()) {
    CAPTURE(path.string());
    const auto findings = examine(CapturedMachine{path});
    CHECK(findings.back().id == "ready");
    for (const auto& f : findings)
      if (f.severity == Severity::blocker) CHECK_MESSAGE(!f.remedy.empty(), f.id);
  }
}

TEST_CASE("what VMs want of the kernel beside KVM: there, loaded on demand, blocked, or not in this kernel") {
  CapturedMachine laptop{machines_dir / "laptop-ready/machine.tree"};
  CHECK(finding(laptop, "tun").message == "tun is loaded when it is first opened");
  laptop.machine.file("etc/modprobe.d/no.conf", "blacklist tun\ninstall vhost-net /bin/false\n");
  CHECK(finding(laptop, "vhost-net").severity == Severity::warning);
  CHECK(finding(laptop, "vhost-net").subject == "/etc/modprobe.d/no.conf");
  CHECK(finding(laptop, "tun").remedy == "remove that line, then `sudo modprobe tun`");
  CHECK(said_about(laptop, "tun-access") == 0);
  laptop.machine.file("sys/class/misc/tun/dev", "10:200\n");
  CHECK(finding(laptop, "tun").severity == Severity::ok);
  laptop.machine.erase("etc/modprobe.d/no.conf");
  laptop.machine.erase("usr/lib/modules/6.1.0-37-amd64/kernel/drivers/vhost/vhost_net.ko");
  CHECK(finding(laptop, "vhost-net").message.find("kernel 6.1.0-37-amd64 has no vhost_net module") == 0);
  CHECK_FALSE(finding(laptop, "vhost-net").remedy.empty());
}

TEST_CASE("who may open vhost-net and tun is what the last udev rule says") {
  CapturedMachine laptop{machines_dir / "laptop-ready/machine.tree"};
  CHECK(finding(laptop, "vhost-net-access").message == "you may open /dev/vhost-net (group kvm)");
  CHECK(finding(laptop, "tun-access").message == "everybody may open /dev/net/tun");
  laptop.groups = {{1000}};
  CHECK(finding(laptop, "vhost-net-access").remedy == "log out and in again");
  laptop.machine.file("etc/group", "kvm:x:108:\nnetdev:x:109:\n")
      .file("etc/udev/rules.d/90-tun.rules", "KERNEL==\"tun\", GROUP=\"netdev\", MODE=\"0660\"\n");
  CHECK(finding(laptop, "vhost-net-access").severity == Severity::info);
  CHECK(finding(laptop, "vhost-net-access").remedy == "sudo usermod -aG kvm maria, then log in again");
  CHECK(finding(laptop, "tun-access").subject == "/etc/udev/rules.d/90-tun.rules");
  CHECK(finding(laptop, "tun-access").remedy == "sudo usermod -aG netdev maria, then log in again");
  laptop.uid = 0;
  CHECK(said_about(laptop, "tun-access") == 0);
}

TEST_CASE("huge pages are counted by size") {
  CapturedMachine laptop{machines_dir / "laptop-ready/machine.tree"};
  CHECK(finding(laptop, "hugepages").message.starts_with("no huge pages are set aside"));
  laptop.machine.file("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "4096\n")
      .file("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "512\n")
      .file("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "8\n")
      .file("sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "8\n");
  CHECK(finding(laptop, "hugepages").message.find("8 of 1 GiB, 8 free; 4096 of 2 MiB, 512 free") !=
        std::string::npos);
  CHECK(finding(laptop, "hugepages").severity == Severity::info);
}

TEST_CASE("a report has what the checks of VM devices rest on") {
  CapturedMachine laptop{machines_dir / "laptop-ready/machine.tree"};
  laptop.machine.file("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "4096\n")
      .file("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "512\n")
      .file("sys/class/misc/vhost-net/dev", "10:238\n")
      .file("etc/modprobe.d/no.conf", "blacklist tun\n");
  const auto file = fs::path(laptop.machine.root()) / "report.json";
  std::ofstream{file} << json_report(laptop);
  const CapturedMachine replayed{file};
  for (const auto* id : {"vhost-net", "vhost-net-access", "tun", "hugepages"})
    CHECK(finding(replayed, id).message == finding(laptop, id).message);
}

TEST_CASE("a report replays to the same findings") {
  for (const auto& path : machines()) {
    CAPTURE(path.string());
    const CapturedMachine original{path};
    const auto file = fs::path(original.machine.root()) / "report.json";
    std::ofstream{file} << json_report(original);
    CHECK(ids(examine(CapturedMachine{file})) == ids(examine(original)));
  }
}

TEST_CASE("a report names neither people nor machines") {
  CapturedMachine captured{machines_dir / "lockdown/machine.tree"};
  captured.machine.file("etc/hostname", "marias-laptop.example.org\n")
      .cmdline(
          "root=UUID=3b1f8d5c-93a1-4c9b-8d24-0a9f5f4f7d11 resume=/dev/disk/by-id/nvme-Samsung_S4EVNX0 "
          "ip=192.168.7.9 ifname=eth0:52:54:00:12:34:56 rd.x=marias-laptop "
          "home=/home/maria systemd.machine_id=0123456789abcdef0123456789abcdef")
      .file("etc/modprobe.d/maria.conf", "# maria's secret note\noptions vfio-pci ids=10de:1\n");
  const auto text = json_report(captured);
  for (const auto* secret :
       {"maria", "Example", "3b1f8d5c", "S4EVNX0", "192.168", "52:54:00", "0123456789abcdef"})
    CHECK_MESSAGE(text.find(secret) == std::string::npos, secret);
  CHECK(text.find("10de:1") != std::string::npos);
  CHECK_FALSE(nlohmann::json::parse(text, nullptr, false).is_discarded());
}

TEST_CASE("a report has no file that not everybody may read") {
  CapturedMachine captured{machines_dir / "lockdown/machine.tree"};
  captured.machine.file("etc/modprobe.d/private.conf", "options vfio-pci ids=10de:2\n")
      .file("etc/modprobe.d/public.conf", "options vfio-pci ids=10de:1\n");
  fs::permissions(fs::path(captured.machine.root()) / "etc/modprobe.d/private.conf",
                  fs::perms::owner_read | fs::perms::owner_write);
  const auto files = nlohmann::json::parse(json_report(captured))["files"];
  CHECK(files.contains("etc/modprobe.d/public.conf"));
  CHECK_FALSE(files.contains("etc/modprobe.d/private.conf"));
}
