// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/domain_demand.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "unit/vm/domains.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

Snapshot two_cards() {
  Snapshot snapshot;
  for (const auto* slot : {"0000:01:00", "0000:41:00"}) {
    Gpu gpu{pci((std::string{slot} + ".0").c_str()), {}};
    for (const auto* function : {".0", ".1"}) {
      const auto address = pci((std::string{slot} + function).c_str());
      gpu.functions.push_back(address);
      snapshot.functions[address].address = address;
    }
    snapshot.gpus[gpu.slot()] = gpu;
  }
  return snapshot;
}

std::string hostdev(const char* managed, const char* bus, int function) {
  return fmt::format(
      "<hostdev mode='subsystem' type='pci' managed='{}'><source><address domain='0x0000' bus='{}' "
      "slot='0x00' function='0x{}'/></source></hostdev>",
      managed, bus, function);
}

}  // namespace

TEST_CASE("a starting domain demands the GPUs in its definition, and nothing else of the host's") {
  const auto demand = domain_demand(domain_file("two-gpus"), two_cards());
  CHECK(demand.name == "render");
  CHECK(demand.uuid == "3f6d7c52-0e9d-4f57-b2b6-6a4b3c2d1e0f");
  CHECK(demand.gpus == std::vector{*PciSlot::parse("0000:01:00"), *PciSlot::parse("0000:41:00")});
  CHECK(domain_demand(domain_file("hand-made"), two_cards()).gpus.empty());  // a USB controller
  CHECK(domain_demand(domain_file("linux"), two_cards()).gpus.empty());
}

TEST_CASE("along with a GPU goes what libvirt binds by itself, and each other GPU with all its functions") {
  const auto xml = q35(hostdev("no", "0x41", 0) + hostdev("yes", "0x05", 0) + hostdev("no", "0x06", 0));
  CHECK(going_along(xml, two_cards()) ==
        std::set{pci("0000:05:00.0"), pci("0000:41:00.0"), pci("0000:41:00.1")});
  CHECK(domain_demand(xml, two_cards()).along == going_along(xml, two_cards()));
}

TEST_CASE("libvirt would take a GPU by itself if it would take each function that the domain is to have") {
  const auto managed = [](const std::string& devices) {
    return domain_demand(q35(devices), two_cards()).managed;
  };
  CHECK(managed(hostdev("yes", "0x01", 0) + hostdev("yes", "0x41", 0) + hostdev("yes", "0x41", 1)).size() ==
        2);
  CHECK(managed(hostdev("yes", "0x01", 0) + hostdev("yes", "0x41", 0) + hostdev("no", "0x41", 1)) ==
        std::set{*PciSlot::parse("0000:01:00")});
  CHECK(managed(hostdev("yes", "0x05", 0)).empty());
}

TEST_CASE("a companion without its display demands no GPU: libvirt moves that one function, or nobody does") {
  auto host = two_cards();
  const auto by_libvirt = q35(hostdev("yes", "0x41", 1));
  CHECK(domain_demand(by_libvirt, host).gpus.empty());
  CHECK(domain_demand(by_libvirt, host).managed.empty());
  CHECK(going_along(by_libvirt, host) == std::set{pci("0000:41:00.1")});
  CHECK(going_along(q35(hostdev("no", "0x41", 1)), host).empty());
  host.functions[pci("0000:41:00.1")].id.class_code = 0x038000;  // a second display is no companion
  CHECK(domain_demand(by_libvirt, host).gpus == std::vector{*PciSlot::parse("0000:41:00")});
}
