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

#include "host/boot_loader.hpp"
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
  RootDir root{captured.machine.root()};
  root.record_to(&recording);
  static_cast<void>(find_boot_loader(root).configured(root));
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

TEST_CASE("libvirt without its driver for QEMU is told as not installed") {
  CapturedMachine fedora{machines_dir / "amd-desktop-fedora/machine.tree"};
  fedora.machine.erase("usr/bin/virtqemud");
  fedora.machine.file("usr/sbin/libvirtd", "");
  CHECK(finding(fedora, "libvirt-installed").severity == Severity::ok);
  fedora.machine.file("usr/lib64/libvirt/connection-driver/libvirt_driver_network.so", "");
  CHECK(finding(fedora, "libvirt-installed").message == "libvirt is installed without its driver for QEMU");
  CHECK(finding(fedora, "libvirt-installed").remedy.find(" libvirt") != std::string::npos);
  fedora.machine.file("usr/lib64/libvirt/connection-driver/libvirt_driver_qemu.so", "");
  CHECK(finding(fedora, "libvirt-installed").severity == Severity::ok);
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

TEST_CASE("a GPU that is switched off is not taken for one that is not there") {
  CapturedMachine laptop{machines_dir / "single-gpu/machine.tree"};
  CHECK(finding(laptop, "ready").remedy.starts_with("add a second GPU"));
  laptop.machine.file("sys/devices/platform/asus-nb-wmi/dgpu_disable", "1\n");
  CHECK(finding(laptop, "ready").remedy ==
        "`echo 0 | sudo tee /sys/devices/platform/asus-nb-wmi/dgpu_disable`, then reboot");
  laptop.machine.erase("sys/devices/platform/asus-nb-wmi/dgpu_disable")
      .file("etc/supergfxd.conf", "{\n  \"mode\": \"Integrated\"\n}\n");
  CHECK(finding(laptop, "gpu-hidden").subject == "/etc/supergfxd.conf");
  laptop.machine.file("etc/supergfxd.conf", "{\n  \"mode\": \"Hybrid\"\n}\n")
      .file("etc/modprobe.d/system76-power.conf", "blacklist i2c_nvidia_gpu\nblacklist nvidia\n");
  CHECK(finding(laptop, "ready").remedy == "`system76-power graphics hybrid`, then reboot");
}

TEST_CASE("the MUX is told where this kernel has it, and set back with what is installed") {
  CapturedMachine laptop{machines_dir / "mux-discrete/machine.tree"};
  const auto armoury = "sys/class/firmware-attributes/asus-armoury/attributes/gpu_mux_mode/current_value";
  laptop.machine.file(armoury, "0\n").file("usr/bin/supergfxctl", "");
  CHECK(finding(laptop, "gpu-mux").subject == std::string("/") + armoury);
  CHECK(finding(laptop, "gpu-mux").remedy.find("`supergfxctl -m Hybrid`") != std::string::npos);
  CHECK(said_about(laptop, "gpu-candidate") == 0);
}

TEST_CASE(
    "beside a Radeon that shows the picture a Ryzen's own GPU is no candidate, and the Radeon can be freed") {
  CapturedMachine desktop{machines_dir / "amd-desktop-fedora/machine.tree"};
  CHECK(finding(desktop, "ready").message == "ready: 0000:03:00.0 can be handed to a VM");
  desktop.machine.set("0000:03:00.0", "boot_vga", "1\n").set("0000:10:00.0", "boot_vga", "0\n");
  desktop.machine.connector("0000:10:00.0", 0, "HDMI-A-1", false, false);
  CHECK(finding(desktop, "ready").message == "not ready: every GPU of this machine stays with the host");
  CHECK(finding(desktop, "gpu-boot-display").subject == "0000:03:00.0");
  CHECK(finding(desktop, "gpu-boot-display").remedy ==
        "make the other GPU the primary display in the firmware setup");
}

TEST_CASE("whether interrupts are remapped is what the kernel shows") {
  CapturedMachine desktop{machines_dir / "amd-desktop-fedora/machine.tree"};
  desktop.machine.file("proc/interrupts", "  0:  11  IR-IO-APIC   2-edge  timer\n");
  CHECK(finding(desktop, "interrupt-remapping").message == "interrupts are remapped");
  desktop.machine.file("proc/interrupts", "  0:  11  IO-APIC   2-edge  timer\n 24: 0 PCI-MSI-0000:03:00.0\n");
  CHECK(finding(desktop, "interrupt-remapping").severity == Severity::blocker);
  CHECK(finding(desktop, "ready").subject == "/proc/interrupts");
  desktop.machine.file("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
  CHECK(finding(desktop, "interrupt-remapping").severity == Severity::warning);
  CHECK(finding(desktop, "interrupt-remapping").message.ends_with("by allow_unsafe_interrupts"));
  CHECK(finding(desktop, "vfio-unsafe-interrupts").severity == Severity::warning);
  CHECK(finding(desktop, "ready").subject != "/proc/interrupts");
}

TEST_CASE("a udev rule is masked from /etc, and moved away where it is there itself") {
  CapturedMachine laptop{machines_dir / "laptop-ready/machine.tree"};
  const auto rule = "ACTION==\"add\", ATTR{class}==\"0x0c0330\", ATTR{remove}=\"1\"\n";
  laptop.machine.file("usr/lib/udev/rules.d/90-pm.rules", rule);
  CHECK(finding(laptop, "udev-removes-functions").remedy ==
        "mask it: `sudo ln -s /dev/null /etc/udev/rules.d/90-pm.rules`, then reboot");
  laptop.machine.erase("usr/lib/udev/rules.d/90-pm.rules").file("etc/udev/rules.d/90-pm.rules", rule);
  CHECK(finding(laptop, "udev-removes-functions").remedy ==
        "put it out of action: `sudo mv /etc/udev/rules.d/90-pm.rules /etc/udev/rules.d/90-pm.rules.off`, "
        "then reboot");
  CapturedMachine hidden{machines_dir / "single-gpu/machine.tree"};
  hidden.machine.file("etc/udev/rules.d/90-pm.rules", "ATTR{class}==\"0x030000\", ATTR{remove}=\"1\"\n");
  CHECK(finding(hidden, "gpu-hidden").remedy == finding(laptop, "udev-removes-functions").remedy);
}

TEST_CASE("a blacklist that somebody has made is not taken for envycontrol's") {
  CapturedMachine laptop{machines_dir / "laptop-ready/machine.tree"};
  laptop.machine.file("etc/modprobe.d/blacklist-nvidia.conf", "blacklist nvidia\n");
  CHECK(said_about(laptop, "envycontrol") == 0);
  CHECK(finding(laptop, "nvidia-blacklisted").subject == "/etc/modprobe.d/blacklist-nvidia.conf");
  laptop.machine.file("usr/bin/envycontrol", "");
  CHECK(said_about(laptop, "nvidia-blacklisted") == 0);
  CHECK(finding(laptop, "envycontrol").remedy == "`sudo envycontrol --reset`, then reboot");
  laptop.machine.erase("usr/bin/envycontrol").file("lib/udev/rules.d/50-remove-nvidia.rules", "");
  CHECK(finding(laptop, "envycontrol").remedy ==
        "`sudo rm -f /etc/modprobe.d/blacklist-nvidia.conf /lib/udev/rules.d/50-remove-nvidia.rules`, then "
        "reboot");
}

TEST_CASE("a line by id that names other devices too is not told to go as a whole") {
  CapturedMachine laptop{machines_dir / "laptop-ready/machine.tree"};
  laptop.machine.file("etc/modprobe.d/vfio.conf", "options vfio-pci ids=10de:25a0,10de:2291\n");
  CHECK(finding(laptop, "vfio-ids").remedy.ends_with("--migrate` puts this out of action"));
  laptop.machine.file("etc/modprobe.d/vfio.conf", "options vfio-pci ids=10de:25a0,1b21:2142\n");
  CHECK(finding(laptop, "vfio-ids").remedy.ends_with("--migrate` takes the card's ids out of this line"));
}

TEST_CASE("libvirt's daemons are started in the form that is enabled") {
  CapturedMachine fedora{machines_dir / "amd-desktop-fedora/machine.tree"};
  fedora.machine.erase("run/libvirt/virtqemud-sock").file("usr/sbin/libvirtd", "");
  CHECK(finding(fedora, "libvirt-running").remedy == "sudo systemctl enable --now libvirtd.socket");
  fedora.machine.link("etc/systemd/system/sockets.target.wants/virtqemud.socket",
                      "/usr/lib/systemd/system/virtqemud.socket");
  CHECK(finding(fedora, "libvirt-running").remedy.find("virtqemud.socket") != std::string::npos);
}

TEST_CASE("a legacy BIOS is not asked to boot into its setup") {
  CapturedMachine board{machines_dir / "group-too-wide/machine.tree"};
  board.machine.erase("sys/firmware/acpi/tables/DMAR").erase("sys/class/iommu");
  CHECK(finding(board, "iommu-firmware").remedy.find("systemctl") == std::string::npos);
  CHECK(finding(board, "iommu-firmware").remedy.find("Del, F2") != std::string::npos);
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

TEST_CASE("a report does not tell what a hostile hand has put where it looks") {
  CapturedMachine captured{machines_dir / "lockdown/machine.tree"};
  captured.machine.file("etc/hostname", "anna-laptop\n")
      .file(
          "etc/passwd",
          "root:x:0:0:root:/root:/bin/bash\nmaria:x:1000:1000:Maria Lindqvist,Room 7:/home/maria:/bin/bash\n"
          "corp.jdoe:x:1234567:100:John Doherty:/home/corp.jdoe:/bin/bash\n")
      .cmdline(
          "BOOT_IMAGE=/vmlinuz root=/dev/mapper/anna--laptop--vg-root rd.luks.key=/keys/s3cret "
          "ds=nocloud;seedfrom=http://u:pw77@10.1.2.3/ "
          "netroot=iscsi:@203.0.113.9::3260 passwd=hunter2 intel_iommu=on vfio-pci.ids=10de:25a0 quiet")
      .file("etc/default/grub",
            "# ask corp.jdoe@example.org\nGRUB_DISTRIBUTOR=\"Umbrella GmbH\"\n"
            "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet token=abc99 iommu=pt\"\nGRUB_CMDLINE_LINUX=pin=4711\n")
      .file("boot/loader/entries/x.conf", "title Lindqvist home\nlinux /vmlinuz\noptions cred=zzz9 quiet\n")
      .file("etc/modprobe.d/x.conf",
            "# vfio of John Doherty\noptions vfio-pci ids=10de:1\nblacklist secretmodule\n")
      .file("etc/udev/rules.d/70-x.rules",
            "SUBSYSTEM==\"kvmfr\", ATTRS{serial}==\"S3R1AL\", OWNER=\"maria\", RUN+=\"/home/bob/x mail "
            "boss@corp.example\"\n")
      .file(
          "etc/libvirt/hooks/qemu",
          "#!/bin/sh\n# vfio by maria\ncurl https://bot:t0ken@hooks.example/vfio 192.0.2.44 /media/jane/x\n");
  const auto text = json_report(captured);
  for (const auto* secret :
       {"maria",        "Maria",    "Lindqvist",   "jdoe",    "Doherty", "John",       "anna", "s3cret",
        "pw77",         "10.1.2.3", "203.0.113.9", "hunter2", "abc99",   "4711",       "zzz9", "Umbrella",
        "secretmodule", "S3R1AL",   "bob",         "boss",    "t0ken",   "192.0.2.44", "jane"})
    CHECK_MESSAGE(text.find(secret) == std::string::npos, secret);
  for (const auto* kept :
       {"intel_iommu=on", "vfio-pci.ids=10de:25a0", "options vfio-pci ids=10de:1", "iommu=pt"})
    CHECK_MESSAGE(text.find(kept) != std::string::npos, kept);
  const auto file = fs::path(captured.machine.root()) / "report.json";
  std::ofstream{file} << text;
  CHECK(ids(examine(CapturedMachine{file})) == ids(examine(captured)));
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
