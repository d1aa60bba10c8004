// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_service.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include "support/fake_hypervisor.hpp"
#include "support/fake_machine.hpp"
#include "unit/vm/domains.hpp"
#include "vm/domain_xml.hpp"
#include "vm/load_hypervisor.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

namespace fs = std::filesystem;

const std::vector gpu{pci("0000:01:00.0"), pci("0000:01:00.1")};

Snapshot one_card() {
  Snapshot snapshot;
  for (const auto address : gpu) snapshot.functions[address].address = address;
  snapshot.gpus[gpu.front().slot()] = {gpu.front(), gpu};
  return snapshot;
}

struct Lab {
  FakeMachine machine;
  RootDir root{machine.root()};
  FakeHypervisor libvirt;
  Vm& vm = libvirt.add(to_text(parse_domain(domain_file("windows11"))));
  Snapshot snapshot = one_card();
  std::optional<PciSlot> only_gpu = snapshot.gpus.begin()->first;
  std::string tmpfiles;  ///< as last installed
  bool etc_is_writable{true};
  std::vector<bool> rom_reads;  ///< was it a dry run?
  VmService service{libvirt,
                    root,
                    {.state = machine.root() / "state",
                     .locks = machine.root() / "run/vm",
                     .battery_table = "/b.aml",
                     .install_tmpfiles = [this](const std::string& text) { install(text); },
                     .rom_file =
                         [this](PciAddress function, bool dry_run) {
                           rom_reads.push_back(dry_run);
                           return "/rom/" + function.str();
                         }}};

  void install(const std::string& text) {
    if (!etc_is_writable) throw Error(ErrorCode::state_unwritable, "read-only");
    tmpfiles = text;
    machine.file("etc/tmpfiles.d/10-looking-glass.conf", text);
  }

  std::string setup(const Options& options) {
    auto request = parse_setup_options(options);
    request.only_gpu = only_gpu;
    return service.setup("win11", request, snapshot, 1000);
  }
  bool kept() const { return fs::exists(machine.root() / "state/vm-undo" / (vm.uuid + ".xml")); }
};

template <class Call>
ErrorCode error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::internal;
}

using namespace std::string_literals;

}  // namespace

TEST_CASE("a dry run shows the change and makes none") {
  Lab lab;
  const auto before = lab.vm.inactive_xml;
  const auto diff = lab.setup({{"looking-glass", "1920x1080"s}, {"dry-run", true}});
  CHECK(contains(diff, "+    <shmem name='looking-glass'>"));
  CHECK(contains(diff, "-    <memballoon model='virtio'>"));
  CHECK(lab.vm.inactive_xml == before);
  CHECK_FALSE(lab.kept());
  CHECK_FALSE(fs::exists(lab.machine.root() / "etc/tmpfiles.d"));
}

TEST_CASE("a set-up is made, kept a copy of, and undone step by step") {
  Lab lab;
  const auto before = lab.vm.inactive_xml;
  lab.setup({{"looking-glass", "1920x1080"s}});
  const auto middle = lab.vm.inactive_xml;
  CHECK(lab.kept());
  lab.setup({{"battery", true}});
  CHECK(lab.setup({{"battery", true}}).empty());  // nothing to do, nothing to undo
  const auto dry = lab.service.undo("win11", true, lab.snapshot);
  CHECK(contains(dry, "-    <qemu:arg value='-acpitable'/>"));
  CHECK(lab.service.undo("win11", false, lab.snapshot) == dry);
  CHECK(lab.vm.inactive_xml == middle);
  lab.service.undo("win11", false, lab.snapshot);
  CHECK(lab.vm.inactive_xml == before);
  CHECK(error_of([&] { lab.service.undo("win11", false, lab.snapshot); }) == ErrorCode::not_found);
}

TEST_CASE("undoing a set-up leaves the GPU in the VM it was given to since") {
  Lab lab;
  lab.setup({{"battery", true}});
  lab.vm.inactive_xml = add_hostdevs(lab.vm.inactive_xml, gpu);
  lab.service.undo("win11", false, lab.snapshot);
  CHECK(own_functions(lab.vm.inactive_xml) == gpu);
  CHECK_FALSE(contains(lab.vm.inactive_xml, "acpitable"));
}

TEST_CASE("Looking Glass by shared memory makes the file belong to the person who asked, and shows it") {
  Lab lab;
  const auto line = "+" + looking_glass_tmpfiles(1000);
  CHECK(contains(lab.setup({{"looking-glass", "1920x1080"s}, {"dry-run", true}}), line));
  CHECK(lab.tmpfiles.empty());
  CHECK(contains(lab.setup({{"looking-glass", "1920x1080"s}}), line));
  CHECK(lab.tmpfiles == looking_glass_tmpfiles(1000));
  lab.tmpfiles.clear();
  CHECK(lab.setup({{"looking-glass", "1920x1080"s}}).empty());
  CHECK(lab.tmpfiles == looking_glass_tmpfiles(1000));  // the file itself may have gone meanwhile
}

TEST_CASE("where /etc cannot be written the definition stands, and the line is told") {
  Lab lab;
  lab.etc_is_writable = false;
  const auto said = lab.setup({{"looking-glass", "1920x1080"s}});
  CHECK(contains(said, "put this line there by hand: " + looking_glass_tmpfiles(1000)));
  CHECK(contains(lab.vm.inactive_xml, "<shmem name='looking-glass'>"));
}

TEST_CASE("Looking Glass by kvmfr needs no file in shared memory") {
  Lab lab;
  lab.setup({{"looking-glass", "1920x1080"s}, {"transport", "kvmfr"s}});
  CHECK(lab.tmpfiles.empty());
}

TEST_CASE("a ROM that is asked for by the word auto is that of the VM's GPU; a dry run does not touch it") {
  Lab lab;
  lab.setup({{"rom", "auto"s}, {"dry-run", true}});
  CHECK(lab.rom_reads == std::vector{true});
  CHECK_FALSE(contains(lab.vm.inactive_xml, "gpuctl:rom"));
  lab.setup({{"rom", "auto"s}});
  CHECK(lab.rom_reads == std::vector{true, false});
  CHECK(contains(lab.vm.inactive_xml, "gpuctl:rom function='0000:01:00.0' file='/rom/0000:01:00.0'"));
}

TEST_CASE("passwords in the definition are in no diff, and survive the change") {
  Lab lab;
  auto& xml = lab.vm.inactive_xml;
  xml.insert(xml.find(" autoport='yes'"), " passwd='hunter2'");
  const auto diff = lab.setup({{"looking-glass", "1920x1080"s}});
  CHECK_FALSE(contains(diff, "hunter2"));
  CHECK(contains(lab.vm.inactive_xml, "hunter2"));
}

TEST_CASE("a definition libvirt refuses leaves nothing to undo; one it quietly drops is found out") {
  Lab lab;
  struct Refusing : FakeHypervisor {
    void define(const std::string&) override {
      throw Error(ErrorCode::kernel_refused, "libvirt: spice graphics are not supported with this QEMU.");
    }
  } refusing;
  refusing.domains = lab.libvirt.domains;
  VmService service{refusing,
                    lab.root,
                    {.state = lab.machine.root() / "state",
                     .locks = lab.machine.root() / "run/vm",
                     .battery_table = "/b.aml"}};
  CHECK(error_of([&] { service.setup("win11", {.battery = true}, lab.snapshot, 0); }) ==
        ErrorCode::kernel_refused);
  CHECK_FALSE(lab.kept());
  try {
    service.setup("win11", {.battery = true}, lab.snapshot, 0);
  } catch (const Error& error) {
    CHECK(contains(error.what(), "qemu-system-modules-spice"));
  }
  lab.libvirt.ignore_define = true;
  CHECK(error_of([&] { lab.setup({{"battery", true}}); }) == ErrorCode::kernel_refused);
}

TEST_CASE("an option ROM must exist and belong to one GPU") {
  Lab lab;
  lab.machine.file("roms/card.rom", "x");
  lab.setup({{"rom", "/roms/card.rom"s}});
  CHECK(contains(lab.vm.inactive_xml, "gpuctl:rom function='0000:01:00.0' file='/roms/card.rom'"));
  CHECK(error_of([&] { lab.setup({{"rom", "card.rom"s}}); }) == ErrorCode::invalid_argument);
  CHECK(error_of([&] { lab.setup({{"rom", "/roms/none.rom"s}}); }) == ErrorCode::invalid_argument);
  CHECK(error_of([&] { lab.setup({{"rom", "/roms/card.rom\n"s}}); }) == ErrorCode::invalid_argument);
  lab.only_gpu.reset();  // two that could be given away, say
  CHECK(error_of([&] { lab.setup({{"rom", "/roms/card.rom"s}}); }) == ErrorCode::invalid_argument);
}

TEST_CASE("any set-up takes out what gpuctl left for a card that moved") {
  Lab lab;
  lab.libvirt.add(domain_file("stale-hostdev"));
  const auto diff = lab.service.setup("laptop-vm", {}, lab.snapshot, 0);
  CHECK(contains(diff, "-      <alias name='ua-gpuctl-0000-02-00-0'/>"));
  CHECK(claimed_functions(lab.libvirt.vm("laptop-vm").inactive_xml).empty());
  lab.service.undo("laptop-vm", false, lab.snapshot);
  CHECK(lab.libvirt.vm("laptop-vm").inactive_xml == domain_file("stale-hostdev"));
}

TEST_CASE("options are refused by name") {
  CHECK_THROWS_WITH(parse_setup_options({{"colour", true}}), "There is no option colour.");
  CHECK_THROWS_WITH(parse_setup_options({{"battery", "yes"s}}), "The option battery is of the wrong type.");
  for (const auto& [key, value] :
       Options{{"looking-glass", "big"s}, {"transport", "pigeon"s}, {"rom", true}, {"dry-run", ""s}})
    CHECK(error_of([&, k = key, v = value] {
            parse_setup_options({{k, v}});
          }) == ErrorCode::invalid_argument);
  const auto request =
      parse_setup_options({{"interactive", true}, {"gpu", "01:00"s}, {"transport", "kvmfr"s}});
  CHECK(request.transport == PictureTransport::kvmfr);
}

TEST_CASE("VMs are listed with the GPUs in their definitions, and judged only if they have any") {
  Lab lab;
  lab.libvirt.add(domain_file("two-gpus"), true);
  Vm broken{"odd", "0d2b3c1e-8f3a-4c57-9a6d-2f1f6f0a7b99", VmState::shut_off, true, "<domain", ""};
  lab.libvirt.domains[broken.uuid] = broken;
  const auto vms = lab.service.list(lab.snapshot);
  REQUIRE(vms.size() == 3);
  const auto by_name = [&](const char* name) { return *std::ranges::find(vms, name, &VmEntry::name); };
  CHECK(by_name("win11").problems.empty());
  CHECK(by_name("render").functions == gpu);
  CHECK(by_name("render").state == VmState::running);
  CHECK_FALSE(by_name("render").problems.empty());
  CHECK(by_name("odd").problems.at(0).id == "vm-unreadable");
}

TEST_CASE("checking a VM names the others that want its GPU") {
  Lab lab;
  lab.libvirt.add(domain_file("two-gpus"), true);
  const auto problems = lab.service.check("win11", lab.snapshot, {lab.snapshot.gpus.begin()->second});
  CHECK(std::ranges::count(problems, "gpu-in-running-vm", &Problem::id) == 1);
  CHECK(error_of([&] { lab.service.check("nonesuch", lab.snapshot, {}); }) == ErrorCode::vm_not_found);
}

TEST_CASE("checking a VM tells that it was saved while it ran") {
  Lab lab;
  const auto told = [&] {
    return std::ranges::count(lab.service.check("win11", lab.snapshot, {}), "vm-managed-save", &Problem::id);
  };
  CHECK(told() == 0);
  lab.vm.managed_save = true;
  CHECK(told() == 1);
}

TEST_CASE("Looking Glass without the name of a VM is that of the VMs that have it, each finding once") {
  Lab lab;
  const auto ids = [&](const std::string& name) {
    std::vector<std::string> found;
    for (const auto& problem : lab.service.check_looking_glass(name, 1000))
      if (problem.severity != Severity::info) found.push_back(problem.id + " " + problem.subject);
    return found;
  };
  CHECK(ids("") == std::vector{"looking-glass-none libvirt"s});
  CHECK(ids("win11") == std::vector{"looking-glass-none win11"s});
  lab.etc_is_writable = false;
  lab.setup({{"looking-glass", "1920x1080"s}});
  const auto of_win11 = ids("win11");
  CHECK(std::ranges::count(of_win11, "shm-no-tmpfiles /etc/tmpfiles.d/10-looking-glass.conf") == 1);
  CHECK(ids("") == of_win11);
  auto twin = lab.vm.inactive_xml;
  for (const auto& [from, to] : {std::pair{"<name>win11</name>"s, "<name>twin</name>"s},
                                 {"<uuid>" + lab.vm.uuid.substr(0, 8), "<uuid>12345678"s}})
    twin.replace(twin.find(from), from.size(), to);
  lab.libvirt.add(twin);
  CHECK(std::ranges::count(ids(""), "shm-no-tmpfiles /etc/tmpfiles.d/10-looking-glass.conf") == 1);
  lab.libvirt.domains["broken"] = {"broken", "broken", VmState::shut_off, true, "no definition at all", ""};
  CHECK(std::ranges::count(ids(""), "shm-no-tmpfiles /etc/tmpfiles.d/10-looking-glass.conf") == 1);
}

TEST_CASE("copies to go back to are bounded, and nothing but a UUID names them") {
  FakeMachine machine;
  VmUndo undo{machine.root() / "undo"};
  const std::string uuid = "0d2b3c1e-8f3a-4c57-9a6d-2f1f6f0a7b11";
  for (int i = 1; i <= 25; ++i) undo.push(uuid, std::to_string(i));
  for (int i = 25; i > 5; --i) {
    CHECK(undo.top(uuid) == std::to_string(i));
    undo.pop(uuid);
  }
  CHECK_FALSE(undo.top(uuid));
  for (const auto* name : {"", "../../etc/passwd", "0d2b3c1e-8f3a-4c57-9a6d-2f1f6f0a7b1/"})
    CHECK(error_of([&] { undo.push(name, "x"); }) == ErrorCode::invalid_argument);
}

TEST_CASE("real definitions are set up and undone through libvirt itself") {
  FakeMachine machine;
  const RootDir root{machine.root()};
  const auto libvirt = load_hypervisor({.uri = "test:///default", .module = GPUCTL_LIBVIRT_MODULE_BUILT});
  VmService service{*libvirt,
                    root,
                    {.state = machine.root() / "state",
                     .locks = machine.root() / "run/vm",
                     .battery_table = "/b.aml",
                     .install_tmpfiles = [&](const std::string& text) {
                       machine.file("etc/tmpfiles.d/10-looking-glass.conf", text);
                     }}};
  const auto snapshot = one_card();
  for (const auto* name : domain_files) {
    CAPTURE(name);
    auto xml = domain_file(name);
    libvirt->define(xml.replace(xml.find("kvm"), 3, "test"));
    const auto uuid = xml.substr(xml.find("<uuid>") + 6, 36);
    const auto before = libvirt->vm(uuid).inactive_xml;
    CHECK_FALSE(
        service.setup(uuid, parse_setup_options({{"looking-glass", "2560x1440@hdr"s}}), snapshot, 1000)
            .empty());
    CHECK(domain_facts(libvirt->vm(uuid).inactive_xml).shared_memory.at(0).bytes == 128 << 20);
    CHECK(service.setup(uuid, parse_setup_options({{"looking-glass", "2560x1440@hdr"s}}), snapshot, 1000)
              .empty());
    service.undo(uuid, false, snapshot);
    if (own_functions(before).empty()) CHECK(libvirt->vm(uuid).inactive_xml == before);
  }
}
