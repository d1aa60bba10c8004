// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_fitness.hpp"

#include <algorithm>
#include <filesystem>

#include <doctest/doctest.h>

#include "support/fake_hypervisor.hpp"
#include "support/fake_machine.hpp"
#include "unit/vm/domains.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

constexpr auto secure_descriptor = R"({"interface-types":["uefi"],"mapping":{"device":"flash","executable":
  {"filename":"/usr/share/OVMF/OVMF_CODE_4M.ms.fd","format":"raw"}},"targets":[{"architecture":"x86_64",
  "machines":["pc-q35-*"]}],"features":["acpi-s3","enrolled-keys","requires-smm","secure-boot"]})";
constexpr auto plain_descriptor = R"({"interface-types":["uefi"],"mapping":{"device":"flash","executable":
  {"filename":"/usr/share/OVMF/OVMF_CODE_4M.fd","format":"raw"}},"targets":[{"architecture":"x86_64",
  "machines":["pc-i440fx-*","pc-q35-*"]}],"features":["acpi-s3"]})";

/// A laptop with an NVIDIA GPU at 0000:01:00, 16 GiB, OVMF and swtpm.
struct Host {
  FakeMachine machine;
  Snapshot snapshot;
  Host() {
    machine.file("usr/share/qemu/firmware/40-edk2-x86_64-secure-enrolled.json", secure_descriptor)
        .file("usr/share/qemu/firmware/60-edk2-x86_64.json", plain_descriptor)
        .file("usr/share/OVMF/OVMF_CODE_4M.fd", "")
        .file("usr/bin/swtpm", "")
        .file("usr/bin/swtpm_setup", "")
        .file("proc/1/mounts",
              "proc /proc proc rw 0 0\nhugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n")
        .file("sys/class/dmi/id/chassis_type", "10\n")
        .file("proc/meminfo",
              "MemTotal:       16777216 kB\nMemAvailable:   12582912 kB\nHugepagesize:       2048 kB\n")
        .file("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "100\n")
        .file("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "50\n")
        .file("sys/bus/pci/devices/0000:01:00.0/resource",
              "0x0000000091000000 0x0000000091ffffff 0x0000000000040200\n"
              "0x0000006000000000 0x00000061ffffffff 0x000000000014220c\n"
              "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
    gpu("0000:01:00.0", 0x030000);
    gpu("0000:01:00.1", 0x040300);
    snapshot.gpus[*PciSlot::parse("0000:01:00")] = {pci("0000:01:00.0"),
                                                    {pci("0000:01:00.0"), pci("0000:01:00.1")}};
  }
  void gpu(const char* address, std::uint32_t class_code, std::uint16_t vendor = 0x10de) {
    auto& function = snapshot.functions[pci(address)];
    function.address = pci(address);
    function.id = {vendor, 0x25a0, 0, 0, class_code};
  }
  Problems check(const std::string& xml, bool running = false, bool with_gpu = false) const {
    const auto vm = FakeHypervisor{}.add(xml, running);
    std::vector<Gpu> gpus;
    if (with_gpu) gpus.push_back(snapshot.gpus.begin()->second);
    auto functions = claimed_functions(xml);
    if (with_gpu) functions.push_back(pci("0000:01:00.0"));
    const RootDir root{machine.root()};
    return vm_fitness(vm, read_vm_host(root, files_of(domain_facts(xml)), functions), snapshot, gpus);
  }
};

using Ids = std::vector<std::string>;

Ids ids(const Problems& problems, Severity worst = Severity::warning) {
  Ids found;
  for (const auto& problem : problems)
    if (problem.severity <= worst) found.push_back(problem.id);
  return found;
}

bool has(const Problems& problems, const std::string& id) {
  return std::ranges::count(problems, id, &Problem::id) > 0;
}

std::string changed(std::string xml, const std::string& from, const std::string& to) {
  const auto at = xml.find(from);
  REQUIRE(at != std::string::npos);
  return xml.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("virt-manager's Windows 11 is fit for a desktop GPU as it is") {
  Host host;
  host.machine.file("sys/class/dmi/id/chassis_type", "3\n");
  CHECK(ids(host.check(domain_file("windows11"), false, true)).empty());
}

TEST_CASE("virt-manager's Linux boots with BIOS, which is said") {
  Host host;
  CHECK(ids(host.check(domain_file("linux"))) == Ids{"vm-firmware-bios"});
}

TEST_CASE("firmware that libvirt would not find is a blocker before the start, not after") {
  Host host;
  host.machine.file("etc/qemu/firmware/40-edk2-x86_64-secure-enrolled.json",
                    "");  // an empty file hides the other
  CHECK(ids(host.check(domain_file("windows11"))) == Ids{"vm-secure-boot-missing"});
  host.machine.file("etc/qemu/firmware/60-edk2-x86_64.json", "");
  CHECK(ids(host.check(domain_file("windows11"))) == Ids{"vm-firmware-missing"});
  const auto i440fx = changed(domain_file("two-gpus"), "machine='q35'", "machine='pc-i440fx-7.2'");
  CHECK(has(host.check(i440fx), "vm-firmware-missing"));
}

TEST_CASE("firmware descriptors that are anything at all are survived") {
  Host host;
  int number = 0;
  for (const auto* text :
       {"{", "[]", "7", "{\"targets\":7}", "{\"targets\":[7,{\"machines\":[7,null]}],\"features\":{}}",
        "{\"mapping\":[],\"interface-types\":\"uefi\"}"})
    host.machine.file("etc/qemu/firmware/" + std::to_string(number++) + ".json", text);
  CHECK(ids(host.check(domain_file("windows11"))).empty());
}

TEST_CASE("a firmware image named by path must exist, and Secure Boot in it needs SMM") {
  Host host;
  auto xml = domain_file("stale-hostdev");
  CHECK_FALSE(has(host.check(xml), "vm-firmware-missing"));
  xml = changed(xml, "OVMF_CODE_4M.fd", "OVMF_CODE_4M.ms.fd");
  CHECK(has(host.check(xml), "vm-firmware-missing"));
  xml = changed(xml, "<loader readonly='yes'", "<loader readonly='yes' secure='yes'");
  CHECK(has(host.check(xml), "vm-smm"));
}

TEST_CASE("a TPM needs its emulator, and Windows 11 needs a TPM") {
  Host host;
  host.machine.erase("usr/bin/swtpm");
  CHECK(ids(host.check(domain_file("windows11"))) == Ids{"vm-swtpm-missing"});
  host.machine.file("usr/bin/swtpm", "").erase("usr/bin/swtpm_setup");
  CHECK(has(host.check(domain_file("windows11")), "vm-swtpm-missing"));
  auto xml = domain_file("windows11");
  const auto from = xml.find("    <tpm"), to = xml.find("</tpm>") + 7;
  xml.erase(from, to - from);
  CHECK(ids(host.check(xml)) == Ids{"vm-tpm-missing"});
}

TEST_CASE("processors other than the host's own, and none at all, are named") {
  Host host;
  CHECK(has(host.check(domain_file("stale-hostdev")), "vm-cpu-model"));
  CHECK(has(host.check(changed(domain_file("linux"), "type='kvm'", "type='qemu'")), "vm-no-kvm"));
  CHECK(has(host.check(changed(domain_file("linux"), "<acpi/>", "<acpi/><ioapic driver='qemu'/>")),
            "vm-ioapic"));
}

TEST_CASE("hiding KVM is only mentioned for NVIDIA under Windows") {
  Host host;
  CHECK(has(host.check(domain_file("windows11"), false, true), "vm-kvm-visible"));
  CHECK_FALSE(has(host.check(domain_file("linux"), false, true), "vm-kvm-visible"));
  const auto hidden = changed(domain_file("windows11"), "<acpi/>", "<acpi/><kvm><hidden state='on'/></kvm>");
  CHECK_FALSE(has(host.check(hidden, false, true), "vm-kvm-visible"));
  CHECK(has(host.check(hidden, false, true), "vm-hyperv-visible"));
  const auto named =
      changed(hidden, "<relaxed state='on'/>", "<relaxed state='on'/><vendor_id state='on' value='nobody'/>");
  CHECK_FALSE(has(host.check(named, false, true), "vm-hyperv-visible"));
}

TEST_CASE("a virtual IOMMU needs caching mode, and QEMU's interrupt controller then") {
  Host host;
  const auto with = [](const char* iommu) {
    auto xml = changed(domain_file("linux"), "<acpi/>", "<acpi/><ioapic driver='qemu'/>");
    return changed(xml, "</devices>", std::string{"<iommu model='intel'>"} + iommu + "</iommu></devices>");
  };
  CHECK(has(host.check(with("<driver intremap='on'/>")), "vm-viommu-caching"));
  CHECK_FALSE(has(host.check(with("<driver intremap='on'/>")), "vm-ioapic"));
  CHECK_FALSE(has(host.check(with("<driver intremap='on' caching_mode='on'/>")), "vm-viommu-caching"));
}

TEST_CASE("memory that cannot be locked is found before QEMU finds it") {
  Host host;
  CHECK(has(host.check(domain_file("two-gpus")), "vm-memory-too-large"));  // 32 of 16 GiB
  const auto tight = changed(domain_file("linux"), "<memory unit='KiB'>4194304", "<memory unit='GiB'>15");
  CHECK(has(host.check(tight), "vm-memory-tight"));
  CHECK_FALSE(has(host.check(tight, true), "vm-memory-tight"));  // it runs: it has its memory
  const auto limited = changed(domain_file("linux"), "<vcpu",
                               "<memtune><hard_limit unit='M'>4096</hard_limit></memtune><vcpu");
  CHECK(has(host.check(limited), "vm-memory-limit"));
  CHECK_FALSE(has(host.check(changed(limited, ">4096<", ">5120<")), "vm-memory-limit"));
}

TEST_CASE("huge pages must be free for a VM that wants them") {
  Host host;
  const auto problems = host.check(domain_file("hand-made"));
  const auto found = std::ranges::find(problems, "vm-hugepages", &Problem::id);
  REQUIRE(found != problems.end());
  CHECK(contains(found->message, "6144 huge pages of 2048 KiB, and 50 are free"));
  CHECK_FALSE(has(host.check(domain_file("hand-made"), true), "vm-hugepages"));
  CHECK_FALSE(has(problems, "vm-hugepages-mount"));
  host.machine.file("proc/1/mounts", "hugetlbfs /mnt hugetlbfs rw,pagesize=1024M 0 0\n");
  CHECK(has(host.check(domain_file("hand-made")), "vm-hugepages-mount"));
}

TEST_CASE("a hostdev whose card has moved is told from one whose address now belongs to another device") {
  Host host;
  const auto gone = host.check(domain_file("stale-hostdev"));
  CHECK(std::ranges::count(gone, "hostdev-gone", &Problem::id) == 2);
  CHECK(is_blocked(gone));
  host.gpu("0000:02:00.0", 0x020000, 0x8086);
  host.gpu("0000:02:00.1", 0x020000, 0x8086);
  const auto stale = host.check(domain_file("stale-hostdev"));
  REQUIRE(has(stale, "hostdev-stale"));
  CHECK(contains(std::ranges::find(stale, "hostdev-stale", &Problem::id)->message, "8086:25a0"));
  const auto theirs = host.check(domain_file("two-gpus"));
  CHECK(contains(std::ranges::find(theirs, "hostdev-gone", &Problem::id)->remedy, "0000:01:00.0"));
  CHECK_FALSE(has(theirs, "hostdev-not-gpu"));
  host.gpu("0000:05:00.3", 0x0c0330, 0x1022);
  const auto foreign = host.check(domain_file("hand-made"));
  CHECK(contains(std::ranges::find(foreign, "hostdev-not-gpu", &Problem::id)->message, "1022:25a0"));
}

TEST_CASE("half a GPU in a definition is named") {
  Host host;
  const auto half = add_hostdevs(domain_file("windows11"), {pci("0000:01:00.0")});
  CHECK(has(host.check(half), "vm-partial-gpu"));
  CHECK_FALSE(has(host.check(add_hostdevs(half, {pci("0000:01:00.1")})), "vm-partial-gpu"));
}

TEST_CASE("a companion without its display is no part of a GPU, and is told as any other device") {
  Host host;
  const auto xml =
      changed(domain_file("windows11"), "</devices>",
              "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' "
              "bus='0x01' slot='0x00' function='0x1'/></source></hostdev></devices>");
  const auto problems = host.check(xml);
  CHECK_FALSE(has(problems, "vm-partial-gpu"));
  CHECK_FALSE(has(problems, "vm-no-battery"));
  CHECK(has(problems, "hostdev-not-gpu"));
}

TEST_CASE("a BAR of 8 GiB wants UEFI and the host's processor") {
  Host host;
  CHECK(has(host.check(domain_file("linux"), false, true), "vm-large-bar"));
  CHECK_FALSE(has(host.check(domain_file("windows11"), false, true), "vm-large-bar"));
  CHECK_FALSE(has(host.check(domain_file("linux")), "vm-large-bar"));
}

TEST_CASE("a laptop's NVIDIA GPU wants a battery, and its missing ROM is nothing to worry about") {
  Host host;
  const auto problems = host.check(domain_file("windows11"), false, true);
  CHECK(ids(problems) == Ids{"vm-no-battery"});
  CHECK(std::ranges::find(problems, "vm-no-rom", &Problem::id)->severity == Severity::info);
}

TEST_CASE("files QEMU is to read must be there, readable, and allowed by AppArmor") {
  Host host;
  host.snapshot.functions[pci("0000:41:00.0")];
  const auto vbios = std::string{"var/lib/libvirt/vbios/rtx3080.rom"};
  CHECK(has(host.check(domain_file("two-gpus")), "vm-file-missing"));
  host.machine.file(vbios, "rom");
  std::filesystem::permissions(host.machine.root(), std::filesystem::perms{0755});
  CHECK_FALSE(has(host.check(domain_file("two-gpus")), "vm-file-unreadable"));
  std::filesystem::permissions(host.machine.root() / vbios, std::filesystem::perms{0600});
  CHECK(has(host.check(domain_file("two-gpus")), "vm-file-unreadable"));
  CHECK_FALSE(has(host.check(domain_file("two-gpus")), "vm-file-apparmor"));
  host.machine.file("sys/module/apparmor/parameters/enabled", "Y\n");
  CHECK(has(host.check(domain_file("two-gpus")), "vm-file-apparmor"));
  host.machine.file("etc/apparmor.d/local/abstractions/libvirt-qemu", "/" + vbios + " r,\n");
  CHECK_FALSE(has(host.check(domain_file("two-gpus")), "vm-file-apparmor"));
}

TEST_CASE("AppArmor's rules are read from where the release keeps them, and named there") {
  FakeMachine machine;
  machine.file("sys/module/apparmor/parameters/enabled", "Y\n")
      .file("etc/apparmor.d/abstractions/libvirt-qemu", "  # /a r,\n  /usr/share/qemu/** r,\n  /b rw,\n");
  const RootDir root{machine.root()};
  auto rules = read_qemu_apparmor(root);
  CHECK(rules.place == "/etc/apparmor.d/local/abstractions/libvirt-qemu");
  CHECK(rules.allows("/usr/share/qemu/firmware/x", 'r'));
  CHECK_FALSE(rules.allows("/usr/share/qemu/x", 'w'));
  CHECK_FALSE(rules.allows("/a", 'r'));
  CHECK(rules.allows("/b", 'w'));
  machine.file("etc/apparmor.d/abstractions/libvirt-qemu.d/gpuctl", "/var/lib/gpuctl/rom/*.rom r,\n");
  CHECK_FALSE(read_qemu_apparmor(root).allows("/var/lib/gpuctl/rom/x.rom", 'r'));  // nothing includes it
  machine.file("etc/apparmor.d/abstractions/libvirt-qemu",
               "  include if exists <abstractions/libvirt-qemu.d>\n");
  rules = read_qemu_apparmor(root);
  CHECK(rules.place == "/etc/apparmor.d/abstractions/libvirt-qemu.d/local");
  CHECK(rules.allows("/var/lib/gpuctl/rom/0000:01:00.0.rom", 'r'));
  CHECK_FALSE(rules.allows("/var/lib/gpuctl/rom/sub/x.rom", 'r'));
  machine.file("etc/libvirt/qemu.conf", "# security_driver = \"selinux\"\nsecurity_driver = \"none\"\n");
  CHECK(read_qemu_apparmor(root).allows("/anything", 'r'));
}

TEST_CASE("every finding names a remedy and its VM or device") {
  Host host;
  host.machine.erase("usr/bin/swtpm").erase("usr/share/qemu/firmware");
  for (const auto* name : domain_files)
    for (const auto& problem : host.check(domain_file(name), false, true)) {
      CAPTURE(problem.id);
      CHECK_FALSE(problem.subject.empty());
      CHECK_FALSE(problem.message.empty());
      CHECK_FALSE(problem.remedy.empty());
    }
}

TEST_CASE("libvirt's units of memory are understood") {
  CHECK(scaled_size("2", "GiB", "KiB") == 2ULL << 30);
  CHECK(scaled_size("2", "G", "KiB") == 2ULL << 30);
  CHECK(scaled_size("2", "GB", "KiB") == 2000000000ULL);
  CHECK(scaled_size("2", "", "KiB") == 2048);
  CHECK(scaled_size("2", "bytes", "KiB") == 2);
  for (const auto* number : {"", "x", "-1", "1.5", "99999999999999999999"})
    CHECK(scaled_size(number, "", "KiB") == 0);
  CHECK(scaled_size("99999999999", "EiB", "KiB") == 0);
  CHECK(scaled_size("1", "parsec", "KiB") == 0);
}
