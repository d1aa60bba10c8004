// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/hostdev.hpp"

#include <random>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "unit/vm/domains.hpp"
#include "vm/domain_xml.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

const std::vector gpu{pci("0000:0b:00.0"), pci("0000:0b:00.1")};

ErrorCode refusal(const std::string& xml) {
  try {
    claimed_functions(xml);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::internal;
}

}  // namespace

TEST_CASE("a definition is written back as it was read") {
  for (const auto* name : {"windows11", "linux", "two-gpus", "stale-hostdev"}) {
    CAPTURE(name);
    const auto xml = domain_file(name);
    CHECK(to_text(parse_domain(xml)).size() >= xml.size() - 40);  // quotes of two attributes differ at most
    CHECK(to_text(parse_domain(to_text(parse_domain(xml)))) == to_text(parse_domain(xml)));
  }
  CHECK(to_text(parse_domain(domain_file("linux"))).find("<acpi/>\n    <apic/>\n") != std::string::npos);
}

TEST_CASE("comments, foreign namespaces, QEMU's command line and entities survive an edit") {
  const auto edited = add_hostdevs(domain_file("hand-made"), gpu);
  CHECK(contains(edited, "<!-- the second USB controller of the board: leave it alone -->"));
  CHECK(contains(edited,
                 "<my:notes xmlns:my='https://example.org/notes'><my:note when='2019-04-01'>4 cores is &lt; "
                 "6</my:note>"));
  CHECK(contains(edited, "<qemu:arg value='opt/ovmf/X-PciMmio64Mb,string=65536'/>"));
  CHECK(contains(edited, "<title>Gaming &amp; capture</title>"));
  CHECK(contains(edited, "Edited by hand since 2017"));
}

TEST_CASE("the functions of a GPU become one multifunction device behind a root port of its own") {
  const auto xml = add_hostdevs(domain_file("linux"), gpu);
  CHECK(claimed_functions(xml) == gpu);
  CHECK(own_functions(xml) == gpu);
  CHECK(contains(xml,
                 "<controller type='pci' index='15' model='pcie-root-port'>\n"
                 "      <alias name='ua-gpuctl-port-15'/>\n    </controller>\n"));
  CHECK(contains(
      xml, "<address type='pci' domain='0x0000' bus='0x0f' slot='0x00' function='0x0' multifunction='on'/>"));
  CHECK(contains(xml, "<address type='pci' domain='0x0000' bus='0x0f' slot='0x00' function='0x1'/>"));
  CHECK(contains(xml,
                 "    <hostdev mode='subsystem' type='pci' managed='no'>\n      <source>\n"
                 "        <address domain='0x0000' bus='0x0b' slot='0x00' function='0x0'/>\n      </source>\n"
                 "      <alias name='ua-gpuctl-0000-0b-00-0'/>\n"));
}

TEST_CASE("a machine without PCI Express gets the GPU in a free slot of bus 0") {
  const auto xml = add_hostdevs(domain_file("hand-made"), gpu);
  CHECK_FALSE(contains(xml, "pcie-root-port"));
  CHECK(contains(xml, "bus='0x00' slot='0x11' function='0x0' multifunction='on'"));  // the disk has 0x10
  CHECK(contains(xml, "bus='0x00' slot='0x11' function='0x1'/>"));
}

TEST_CASE("a GPU of one function is no multifunction device") {
  const auto xml = add_hostdevs(domain_file("linux"), {gpu.front()});
  CHECK(count(xml, "multifunction='on'") == count(domain_file("linux"), "multifunction='on'"));
}

TEST_CASE("adding twice is adding once") {
  for (const auto* name : domain_files) {
    CAPTURE(name);
    const auto once = add_hostdevs(domain_file(name), gpu);
    CHECK(add_hostdevs(once, gpu) == once);
  }
}

TEST_CASE("removal gives the definition back as it was") {
  for (const auto* name : domain_files) {
    CAPTURE(name);
    const auto before = to_text(parse_domain(domain_file(name)));
    const auto added = add_hostdevs(before, gpu);
    CHECK(added != before);
    CHECK(remove_hostdevs(added, gpu) == before);
    CHECK(remove_hostdevs(before, gpu) == before);
  }
}

TEST_CASE("what the user put into the definition is neither added again nor taken out") {
  const auto xml = domain_file("two-gpus");
  const std::vector theirs{pci("0000:01:00.0"), pci("0000:01:00.1")};
  CHECK(add_hostdevs(xml, theirs) == xml);
  CHECK(remove_hostdevs(xml, theirs) == xml);
  CHECK(own_functions(xml).empty());
  CHECK(claimed_functions(xml).size() == 4);
}

TEST_CASE("only the missing function is added beside what the user has, and only it is removed") {
  const auto xml = to_text(
      parse_domain(q35("    <hostdev mode='subsystem' type='pci' managed='yes'>\n      <source>\n        "
                       "<address domain='0x0000' "
                       "bus='0x0b' slot='0x00' function='0x0'/>\n      </source>\n    </hostdev>\n")));
  const auto added = add_hostdevs(xml, gpu);
  CHECK(own_functions(added) == std::vector{gpu.at(1)});
  CHECK(hostdevs(added).front().managed);
  CHECK(remove_hostdevs(added, gpu) == xml);
}

TEST_CASE("a function that went missing joins the others of its card in one device again") {
  const auto whole = add_hostdevs(domain_file("linux"), gpu);
  const auto half = remove_hostdevs(whole, {gpu.back()});
  CHECK(own_functions(half) == std::vector{gpu.front()});
  CHECK(contains(half, "ua-gpuctl-port-15"));  // still in use
  const auto again = add_hostdevs(half, gpu);
  CHECK(own_functions(again) == gpu);
  CHECK(count(again, "ua-gpuctl-port-") == 1);
  CHECK(remove_hostdevs(again, gpu) == to_text(parse_domain(domain_file("linux"))));
}

TEST_CASE("two GPUs get a root port each, and one can leave without the other") {
  const std::vector other{pci("0000:41:00.0"), pci("0000:41:00.1")};
  const auto one = add_hostdevs(domain_file("windows11"), gpu);
  const auto both = add_hostdevs(one, other);
  CHECK(contains(both, "ua-gpuctl-port-15"));
  CHECK(contains(both, "ua-gpuctl-port-16"));
  CHECK(remove_hostdevs(both, other) == one);
}

TEST_CASE("a root port somebody else's device moved to stays") {
  auto xml = add_hostdevs(domain_file("linux"), gpu);
  const auto at = xml.find("<memballoon");
  const auto address = xml.find("bus='0x05'", at);
  xml.replace(address, 10, "bus='0x0f'");
  CHECK(contains(remove_hostdevs(xml, gpu), "ua-gpuctl-port-15"));
}

TEST_CASE("numbers are read the way libvirt reads them, and written unmistakably") {
  const auto xml =
      q35("    <hostdev mode='subsystem' type='pci'><source><address domain='0' bus='11' slot='0' "
          "function='1'/></source></hostdev>\n"
          "    <hostdev type='pci'><source><address bus='0xB'/></source></hostdev>\n"
          "    <hostdev type='pci'><source><address bus='010'/></source></hostdev>\n"
          "    <hostdev type='usb'><source><address bus='1' device='2'/></source></hostdev>\n"
          "    <hostdev type='pci'><source><address bus='0x100'/></source></hostdev>\n"
          "    <hostdev type='pci'><source><address bus='-1'/></source></hostdev>\n"
          "    <interface type='hostdev'><source><address type='pci' bus='0x03'/></source></interface>\n");
  CHECK(claimed_functions(xml) ==
        std::vector{pci("0000:03:00.0"), pci("0000:08:00.0"), pci("0000:0b:00.0"), pci("0000:0b:00.1")});
  CHECK(parse_number("4294967296") == std::nullopt);
  CHECK(parse_number("") == std::nullopt);
  CHECK(parse_number("0x") == std::nullopt);
  CHECK(parse_number("0") == 0UL);
  CHECK(parse_number("09") == std::nullopt);
}

TEST_CASE("an alias that names another function does not make a hostdev gpuctl's") {
  const auto xml =
      q35("    <hostdev type='pci'><source><address bus='0x0b'/></source>"
          "<alias name='ua-gpuctl-0000-0c-00-0'/></hostdev>\n");
  CHECK(own_functions(xml).empty());
}

TEST_CASE("a definition without devices, on one line, or with a wide PCI domain is edited too") {
  const std::string bare = "<domain><name>x</name><os><type machine='pc'>hvm</type></os></domain>";
  CHECK(claimed_functions(add_hostdevs(bare, gpu)) == gpu);
  const auto wide = PciAddress{0x10000, 1, 0, 0};
  CHECK(own_functions(add_hostdevs(bare, {wide})) == std::vector{wide});
}

TEST_CASE("what is no definition is refused with a reason, whatever it is") {
  CHECK(refusal("") == ErrorCode::invalid_argument);
  CHECK(refusal("<domain") == ErrorCode::invalid_argument);
  CHECK(refusal("<network/>") == ErrorCode::invalid_argument);
  CHECK(refusal(std::string(domain_xml_limit + 1, ' ')) == ErrorCode::invalid_argument);
  std::string deep;
  for (int i = 0; i < 500000; ++i) deep += "<a>";
  CHECK(refusal("<domain>" + deep) == ErrorCode::invalid_argument);
  std::string closed = "<domain>";
  for (int i = 0; i < 100000; ++i) closed += "<a>";
  for (int i = 0; i < 100000; ++i) closed += "</a>";
  CHECK(refusal(closed + "</domain>") == ErrorCode::invalid_argument);
  CHECK(refusal("<!DOCTYPE domain [<!ENTITY a 'b'>]><domain>&a;</domain>") ==
        ErrorCode::internal);  // no expansion
}

TEST_CASE("a damaged definition never ends in anything but an answer or a refusal") {
  std::mt19937 random{20240501};  // NOLINT: the same mutations each time
  const auto seed = add_hostdevs(domain_file("two-gpus"), gpu);
  for (int round = 0; round < 3000; ++round) {
    auto xml = seed;
    for (int i = 0; i < 1 + round % 7; ++i) xml.at(random() % xml.size()) = static_cast<char>(random() % 256);
    if (round % 3 == 0) xml.resize(random() % xml.size());
    try {
      const auto edited = add_hostdevs(xml, gpu);
      CHECK(claimed_functions(edited).size() >= 2);
      remove_hostdevs(edited, gpu);
    } catch (const Error& error) {
      CHECK((error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::blocked));
    }
  }
}

TEST_CASE("device XML for a running machine leaves the guest address to libvirt") {
  CHECK(live_hostdev_xml(gpu.front()) ==
        "<hostdev mode='subsystem' type='pci' managed='no'>\n  <source>\n    <address domain='0x0000' "
        "bus='0x0b' "
        "slot='0x00' function='0x0'/>\n  </source>\n  <alias name='ua-gpuctl-0000-0b-00-0'/>\n</hostdev>\n");
}
