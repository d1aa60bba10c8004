// SPDX-License-Identifier: GPL-2.0-or-later
#include <doctest/doctest.h>

#include "unit/vm/service_lab.hpp"

using namespace gpuctl;
using namespace gpuctl::test;
using Lab = ServiceLab;

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

TEST_CASE("a set-up is not undone over what others have changed since, unless its copy does not tell") {
  Lab lab;
  const auto before = lab.vm.inactive_xml;
  lab.setup({{"battery", true}});
  const auto made = lab.vm.inactive_xml;
  auto& now = lab.vm.inactive_xml;
  now.insert(now.find("  <devices>"), "  <description>mine</description>\n");
  for (const bool dry_run : {true, false})
    CHECK(error_of([&] { lab.service.undo("win11", dry_run, lab.snapshot); }) == ErrorCode::blocked);
  CHECK_THROWS_WITH(lab.service.undo("win11", false, lab.snapshot), doctest::Contains("vm-changed-since: "));
  CHECK(contains(now, "mine"));
  fs::remove(lab.machine.root() / "state/vm-undo" / (lab.vm.uuid + ".made"));
  lab.service.undo("win11", false, lab.snapshot);
  CHECK(now == before);
  CHECK_FALSE(lab.kept());
  CHECK(made != before);
}

TEST_CASE("a slot of root ports that has become multifunction by gpuctl's own is no change by others") {
  Lab lab;
  const auto multifunction = " multifunction='on'"s;
  auto& now = lab.vm.inactive_xml;
  now.erase(now.find(multifunction), multifunction.size());
  lab.setup({{"battery", true}});
  const auto port = now.find("<address type='pci'", now.find("model='pcie-root-port'"));
  now.insert(now.find("/>", port), multifunction);
  lab.service.undo("win11", false, lab.snapshot);
  CHECK_FALSE(contains(now, "acpitable"));
}

TEST_CASE("a VM that was renamed since its set-up keeps its new name when that is undone") {
  Lab lab;
  const auto renamed = [](std::string xml) {
    return xml.replace(xml.find("<name>win11"), 11, "<name>my games");
  };
  const auto before = lab.vm.inactive_xml;
  lab.setup({{"battery", true}});
  lab.vm.inactive_xml = renamed(lab.vm.inactive_xml);
  lab.vm.name = "my games";
  lab.service.undo("my games", false, lab.snapshot);
  CHECK(lab.vm.inactive_xml == renamed(before));
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

TEST_CASE("somebody's entry for the shared memory stays for root, and comes back when a set-up is undone") {
  const auto alices = "f /dev/shm/looking-glass 0660 alice kvm -\n# and this\n"s;
  Lab lab;
  lab.has_tmpfiles(alices);
  CHECK_FALSE(contains(lab.setup({{"looking-glass", "1920x1080"s}}, 0), "tmpfiles"));
  CHECK(lab.tmpfiles_now() == alices);
  const auto diff = lab.setup({{"looking-glass", "1920x1080"s}}, 1000);
  CHECK(contains(diff, "-f /dev/shm/looking-glass 0660 alice kvm -\n"));
  CHECK(lab.tmpfiles_now() == looking_glass_tmpfiles(1000) + "# and this\n");
  CHECK(contains(lab.service.undo("win11", true, lab.snapshot),
                 "+f /dev/shm/looking-glass 0660 alice kvm -\n"));
  CHECK(lab.tmpfiles_now() != alices);
  lab.service.undo("win11", false, lab.snapshot);
  CHECK(lab.tmpfiles_now() == alices);
  CHECK(has_looking_glass(domain_facts(lab.vm.inactive_xml)));  // of the first set-up
}

TEST_CASE("root writes no entry beside one that another file of tmpfiles.d has") {
  Lab lab;
  lab.machine.file("etc/tmpfiles.d/mine.conf", "f /dev/shm/looking-glass 0660 alice kvm -\n");
  lab.setup({{"looking-glass", "1920x1080"s}}, 0);
  CHECK(lab.tmpfiles.empty());
}

TEST_CASE("undoing takes the entry out where none was, unless another VM needs it or somebody changed it") {
  const auto own = looking_glass_tmpfiles(1000);
  Lab lab;
  lab.setup({{"looking-glass", "1920x1080"s}});
  lab.service.undo("win11", false, lab.snapshot);
  CHECK(lab.tmpfiles == "removed");
  lab.setup({{"looking-glass", "1920x1080"s}});
  lab.has_tmpfiles(own + "# mine\n");
  lab.service.undo("win11", false, lab.snapshot);
  CHECK(lab.tmpfiles_now() == own + "# mine\n");
  lab.has_tmpfiles("# mine\n");
  lab.setup({{"looking-glass", "1920x1080"s}});
  lab.libvirt.add(setup_domain(domain_file("linux"), {.picture = GuestPicture{1920, 1080, false}}));
  lab.service.undo("win11", false, lab.snapshot);
  CHECK(lab.tmpfiles_now() == "# mine\n" + own);
}

TEST_CASE(
    "a set-up of the file alone that somebody has changed since does not stand before the earlier ones") {
  Lab lab;
  lab.setup({{"battery", true}});
  lab.setup({{"looking-glass", "1920x1080"s}});
  fs::remove(lab.machine.root() / std::string{looking_glass_tmpfiles_path}.substr(1));
  lab.setup({{"looking-glass", "1920x1080"s}});
  lab.has_tmpfiles("# mine\n");
  CHECK(contains(lab.service.undo("win11", true, lab.snapshot), "<shmem"));
  lab.service.undo("win11", false, lab.snapshot);
  CHECK_FALSE(has_looking_glass(domain_facts(lab.vm.inactive_xml)));
  lab.service.undo("win11", false, lab.snapshot);
  CHECK_FALSE(lab.kept());
}

TEST_CASE("where /etc cannot be written the definition stands, and the line is told") {
  Lab lab;
  lab.etc_is_writable = false;
  const auto said = lab.setup({{"looking-glass", "1920x1080"s}});
  CHECK(contains(said, "put this line there by hand: " + looking_glass_tmpfiles(1000)));
  CHECK(contains(lab.vm.inactive_xml, "<shmem name='looking-glass'>"));
  lab.setup({{"looking-glass", "1920x1080"s}});  // changes nothing, and keeps no second copy
  lab.service.undo("win11", false, lab.snapshot);
  CHECK_FALSE(lab.kept());
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

TEST_CASE(
    "a VM's GPUs are those whose display it has: the processor's own USB controller beside one is none") {
  Lab lab;
  const auto usb = pci("0000:0e:00.3");
  lab.snapshot.functions[usb].address = usb;
  lab.snapshot.gpus[usb.slot()] = {pci("0000:0e:00.0"), {pci("0000:0e:00.0"), usb}};
  lab.vm.inactive_xml = add_hostdevs(add_hostdevs(lab.vm.inactive_xml, gpu), {usb});
  lab.setup({{"rom", "auto"s}});
  CHECK(contains(lab.vm.inactive_xml, "gpuctl:rom function='0000:01:00.0'"));
  CHECK(lab.service.list(lab.snapshot).at(0).gpus == std::vector{gpu.front()});
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

TEST_CASE("copies to go back to are bounded, and nothing but a UUID names them") {
  FakeMachine machine;
  VmUndo undo{machine.root() / "undo"};
  const std::string uuid = "0d2b3c1e-8f3a-4c57-9a6d-2f1f6f0a7b11";
  const auto file = [](int i) {
    return i % 2 ? std::optional{FileChange{i % 3 ? std::optional{"x"s} : std::nullopt, std::to_string(i)}}
                 : std::nullopt;
  };
  for (int i = 1; i <= 25; ++i) {
    undo.push(uuid, {std::to_string(i), file(i), {}});
    undo.note_made(uuid, "made " + std::to_string(i));
  }
  for (int i = 25; i > 5; --i) {
    REQUIRE(undo.top(uuid));
    CHECK(undo.top(uuid)->xml == std::to_string(i));
    CHECK(undo.top(uuid)->tmpfiles == file(i));
    CHECK(undo.top(uuid)->made == "made " + std::to_string(i));
    undo.pop(uuid);
  }
  CHECK_FALSE(undo.top(uuid));
  CHECK(fs::is_empty(machine.root() / "undo"));
  for (const auto* name : {"", "../../etc/passwd", "0d2b3c1e-8f3a-4c57-9a6d-2f1f6f0a7b1/"})
    CHECK(error_of([&] { undo.push(name, {"x"}); }) == ErrorCode::invalid_argument);
}
