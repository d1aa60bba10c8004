// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_setup.hpp"

#include <cstdlib>
#include <fstream>

#include <doctest/doctest.h>

#include "unit/vm/domains.hpp"
#include "vm/domain_xml.hpp"
#include "vm/hostdev.hpp"
#include "vm/load_hypervisor.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const auto battery_file = "/usr/share/qemu/gpuctl-battery.aml";
const std::vector gpu{pci("0000:0b:00.0"), pci("0000:0b:00.1")};

SetupChanges looking_glass(PictureTransport transport = PictureTransport::shmem) {
  return {.picture = GuestPicture{2560, 1440, false}, .transport = transport};
}

SetupChanges battery(bool element = false) {
  return {.battery = true, .battery_file = battery_file, .acpi_table_element = element};
}

SetupChanges rom(const std::string& path) { return {.rom = path, .rom_functions = {gpu.front()}}; }

SetupChanges everything(PictureTransport transport) {
  auto changes = looking_glass(transport);
  changes.rom = "/usr/share/vgabios/card.rom";
  changes.rom_functions = {gpu.front()};
  changes.battery = true;
  changes.battery_file = battery_file;
  return changes;
}

/// By virt-xml-validate, where libvirt's tools are installed.
bool schema_accepts(const std::string& xml) {
  static const bool installed = std::system("command -v virt-xml-validate >/dev/null") == 0;  // NOLINT
  if (!installed) return true;
  const auto* path = "setup-test-domain.xml";
  std::ofstream{path} << xml;
  const int status =
      std::system(("virt-xml-validate " + std::string{path} + " domain >&2").c_str());  // NOLINT
  std::remove(path);
  return status == 0;
}

}  // namespace

TEST_CASE("Looking Glass by shared memory: sized, with SPICE, virtio input, plain video and no balloon") {
  const auto xml = setup_domain(domain_file("windows11"), looking_glass());
  const auto facts = domain_facts(xml);
  REQUIRE(facts.shared_memory.size() == 1);
  CHECK(facts.shared_memory.front() == SharedMemory{"looking-glass", "ivshmem-plain", 64 << 20});
  CHECK(facts.videos == std::vector<std::string>{"vga"});
  CHECK(facts.balloon == "none");
  CHECK(facts.inputs ==
        std::vector<std::string>{"mouse/ps2", "mouse/virtio", "keyboard/ps2", "keyboard/virtio"});
  CHECK(facts.graphics == std::vector<std::string>{"spice"});
  CHECK(contains(xml,
                 "    <shmem name='looking-glass'>\n      <model type='ivshmem-plain'/>\n"
                 "      <size unit='M'>64</size>\n    </shmem>\n"));
}

TEST_CASE("Looking Glass by kvmfr goes on QEMU's command line, after what is there") {
  const auto xml = setup_domain(domain_file("hand-made"), looking_glass(PictureTransport::kvmfr));
  const auto facts = domain_facts(xml);
  CHECK(facts.kvmfr_bytes == 64 << 20);
  CHECK(facts.kvmfr_id == "looking-glass");
  CHECK(facts.qemu_arguments.size() == 8);
  CHECK(facts.qemu_arguments.at(4) == "-device");
  CHECK(contains(xml, "<qemu:env name='QEMU_AUDIO_DRV' value='pa'/>\n    </qemu:commandline>"));
  CHECK(facts.shared_memory.empty());
  CHECK(count(xml, "xmlns:qemu") == 1);
}

TEST_CASE("changing the transport takes the other one out; a larger picture changes the size in place") {
  const auto shmem = setup_domain(domain_file("linux"), looking_glass());
  const auto kvmfr = setup_domain(shmem, looking_glass(PictureTransport::kvmfr));
  CHECK(domain_facts(kvmfr).shared_memory.empty());
  CHECK(domain_facts(kvmfr).kvmfr_bytes);
  auto large = looking_glass(PictureTransport::kvmfr);
  large.picture = GuestPicture{3840, 2160, false};
  CHECK(domain_facts(setup_domain(kvmfr, large)).kvmfr_bytes == 128 << 20);
  CHECK(domain_facts(setup_domain(kvmfr, large)).qemu_arguments.size() == 4);
  const auto back = setup_domain(kvmfr, looking_glass());
  CHECK_FALSE(domain_facts(back).kvmfr_bytes);
  CHECK_FALSE(contains(back, "qemu:commandline"));
  CHECK(domain_facts(back).shared_memory.size() == 1);
}

TEST_CASE("a kvmfr set-up somebody wrote in QEMU's older form is replaced, other shared memory is not") {
  auto xml = setup_domain(domain_file("hand-made"), battery());
  const auto at = xml.find("<qemu:arg value='-acpitable'/>");
  xml.insert(at,
             "<qemu:arg value='-device'/><qemu:arg value='ivshmem-plain,id=s0,memdev=lg'/>"
             "<qemu:arg value='-object'/>"
             "<qemu:arg value='memory-backend-file,id=lg,mem-path=/dev/kvmfr0,size=32M,share=yes'/>"
             "<qemu:arg value='-device'/><qemu:arg value='ivshmem-plain,id=s1,memdev=else'/>");
  CHECK(domain_facts(xml).kvmfr_bytes == 32 << 20);
  const auto changed = setup_domain(xml, looking_glass(PictureTransport::kvmfr));
  CHECK(domain_facts(changed).kvmfr_bytes == 64 << 20);
  CHECK_FALSE(contains(changed, "memdev=lg"));
  CHECK(contains(changed, "memdev=else"));
}

TEST_CASE("the kvmfr device has no name that libvirt gives to other shared memory") {
  auto xml = domain_file("linux");
  xml.insert(xml.find("  </devices>"), "<shmem name='mine'><model type='ivshmem-plain'/></shmem>");
  const auto changed = setup_domain(xml, looking_glass(PictureTransport::kvmfr));
  CHECK(contains(changed, "\"id\":\"gpuctl-looking-glass\""));
  CHECK_FALSE(contains(changed, "shmem0"));
  auto older = changed;
  const std::string name = "gpuctl-looking-glass";
  older.replace(older.find(name), name.size(), "shmem0");
  CHECK(setup_domain(older, looking_glass(PictureTransport::kvmfr)) == changed);
  CHECK_FALSE(contains(setup_domain(older, looking_glass()), "qemu:commandline"));
}

TEST_CASE("a kvmfr memory object without a name takes no device of others along") {
  auto xml = setup_domain(domain_file("hand-made"), battery());
  xml.insert(
      xml.find("<qemu:arg value='-acpitable'/>"),
      "<qemu:arg value='-object'/><qemu:arg value='memory-backend-file,mem-path=/dev/kvmfr0,size=32M'/>"
      "<qemu:arg value='-device'/><qemu:arg value='ivshmem-plain,id=s1,memdev=else'/>"
      "<qemu:arg value='-device'/><qemu:arg value='ivshmem-plain,id=s2'/>");
  const auto changed = setup_domain(xml, looking_glass());
  CHECK_FALSE(domain_facts(changed).kvmfr_bytes);
  CHECK(contains(changed, "memdev=else"));
  CHECK(contains(changed, "id=s2"));
}

TEST_CASE("a kvmfr device goes by its memory's whole name") {
  auto xml = setup_domain(domain_file("hand-made"), battery());
  xml.insert(
      xml.find("<qemu:arg value='-acpitable'/>"),
      "<qemu:arg value='-object'/><qemu:arg value='memory-backend-file,id=lg,mem-path=/dev/kvmfr0,size=32M'/>"
      "<qemu:arg value='-device'/><qemu:arg value='ivshmem-plain,id=lg-other,memdev=lg-other'/>");
  CHECK(contains(setup_domain(xml, looking_glass()), "memdev=lg-other"));
}

TEST_CASE("a machine without a screen keeps none, and gets SPICE for the keyboard") {
  const auto xml = setup_domain(domain_file("two-gpus"), looking_glass());
  CHECK(domain_facts(xml).videos == std::vector<std::string>{"none"});
  CHECK(domain_facts(xml).graphics == std::vector<std::string>{"spice"});
  CHECK(contains(xml, "com.redhat.spice.0"));
}

TEST_CASE("the battery is an ACPI element where libvirt knows it, else an argument; and goes again") {
  const auto argument = setup_domain(domain_file("linux"), battery());
  CHECK(domain_facts(argument).qemu_arguments ==
        std::vector<std::string>{"-acpitable", std::string{"file="} + battery_file});
  const auto element = setup_domain(domain_file("linux"), battery(true));
  CHECK(contains(
      element,
      "    <acpi>\n      <table type='raw'>/usr/share/qemu/gpuctl-battery.aml</table>\n    </acpi>"));
  CHECK(setup_domain(element, battery()) == element);  // it is there, whichever way
  auto none = battery();
  none.battery = false;
  for (const auto& xml : {argument, element}) {
    const auto without = setup_domain(xml, none);
    CHECK(domain_facts(without).acpi_tables.empty());
    CHECK_FALSE(contains(without, "qemu:commandline"));
    CHECK_FALSE(contains(without, "<acpi>"));
  }
}

TEST_CASE("an option ROM is remembered, and comes back with the GPU") {
  const auto before = to_text(parse_domain(domain_file("linux")));
  const auto xml = setup_domain(before, rom("/usr/share/vgabios/card.rom"));
  CHECK(contains(xml, "<gpuctl:rom function='0000:0b:00.0' file='/usr/share/vgabios/card.rom'/>"));
  CHECK(contains(xml, "libosinfo:os"));
  const auto with = add_hostdevs(xml, gpu);
  CHECK(domain_facts(with).roms ==
        std::map<PciAddress, std::string>{{gpu.front(), "/usr/share/vgabios/card.rom"}});
  CHECK(remove_hostdevs(with, gpu) == xml);
  const auto own = setup_domain(with, rom(""));
  CHECK(domain_facts(own).roms.empty());
  CHECK_FALSE(contains(own, "gpuctl:settings"));
  CHECK(remove_hostdevs(own, gpu) == before);
}

TEST_CASE("an option ROM goes into the hostdev that is there, also the user's own") {
  auto changes = rom("/a & b.rom");
  changes.rom_functions = {pci("0000:41:00.0")};
  const auto xml = setup_domain(domain_file("two-gpus"), changes);
  CHECK(domain_facts(xml).roms.at(pci("0000:41:00.0")) == "/a & b.rom");
  CHECK(domain_facts(xml).roms.at(pci("0000:01:00.0")) == "/var/lib/libvirt/vbios/rtx3080.rom");
}

TEST_CASE("an option ROM that the guest could not see is shown to it, and all else of the element stays") {
  auto changes = rom("/card.rom");
  changes.rom_functions = {pci("0000:41:00.0")};
  const auto of = [&](const std::string& element) {
    return q35("    <hostdev mode='subsystem' type='pci'><source><address bus='0x41'/></source>" + element +
               "</hostdev>\n");
  };
  CHECK(contains(setup_domain(of("<rom bar='off'/>"), changes), "<rom file='/card.rom'/>"));
  CHECK(contains(setup_domain(of("<rom enabled='no'/>"), changes), "<rom file='/card.rom'/>"));
  CHECK(contains(setup_domain(of("<rom bar='on'/>"), changes), "<rom bar='on' file='/card.rom'/>"));
  changes.rom = "";
  CHECK(contains(setup_domain(of("<rom bar='off' file='/card.rom'/>"), changes), "<rom bar='off'/>"));
  CHECK(contains(setup_domain(of("<rom enabled='no'/>"), changes), "<rom enabled='no'/>"));
  CHECK_FALSE(contains(setup_domain(of("<rom file='/card.rom'/>"), changes), "<rom"));
}

TEST_CASE("hostdevs that gpuctl added for a card that has moved are taken out") {
  const auto xml =
      setup_domain(domain_file("stale-hostdev"), {.stale = own_functions(domain_file("stale-hostdev"))});
  CHECK(claimed_functions(xml).empty());
  CHECK_FALSE(contains(xml, "ua-gpuctl"));
}

TEST_CASE("a set-up made twice is made once, and one that names nothing changes nothing") {
  for (const auto* name : domain_files)
    for (const auto transport : {PictureTransport::shmem, PictureTransport::kvmfr}) {
      CAPTURE(name);
      const auto once = setup_domain(add_hostdevs(domain_file(name), gpu), everything(transport));
      CHECK(setup_domain(once, everything(transport)) == once);
      CHECK(setup_domain(domain_file(name), {}) == domain_file(name));
    }
}

TEST_CASE("libvirt's schema accepts every real-world definition with everything set up") {
  for (const auto* name : domain_files)
    for (const auto transport : {PictureTransport::shmem, PictureTransport::kvmfr}) {
      CAPTURE(name);
      CHECK(schema_accepts(add_hostdevs(setup_domain(domain_file(name), everything(transport)), gpu)));
    }
}

TEST_CASE("comments and what nobody here knows outlive a set-up") {
  const auto xml = setup_domain(domain_file("hand-made"), everything(PictureTransport::kvmfr));
  CHECK(contains(xml, "<!-- the second USB controller of the board: leave it alone -->"));
  CHECK(contains(xml, "<my:notes"));
  CHECK(contains(xml, "input-linux,id=kbd1"));
  CHECK(contains(xml, "do not \"fix\" this"));
}

TEST_CASE("undoing keeps the GPU where it is now") {
  const auto before = to_text(parse_domain(domain_file("linux")));
  const auto with_gpu = add_hostdevs(before, gpu);
  CHECK(with_hostdevs_of(before, before) == before);
  CHECK(own_functions(with_hostdevs_of(before, with_gpu)) == gpu);
  CHECK(with_hostdevs_of(with_gpu, before) == before);
  CHECK(with_hostdevs_of(with_gpu, with_gpu) == with_gpu);
}
