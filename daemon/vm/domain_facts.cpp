// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/domain_facts.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "vm/domain_xml.hpp"
#include "vm/qemu_arguments.hpp"

namespace gpuctl {
namespace {

std::string attribute(pugi::xml_node node, const char* name) { return node.attribute(name).as_string(); }

bool says(pugi::xml_node node, const char* name, std::string_view value) {
  return node.attribute(name).as_string() == value;
}

std::uint64_t size_of(pugi::xml_node node, const char* otherwise) {
  return scaled_size(node.child_value(), attribute(node, "unit"), otherwise);
}

std::optional<bool> firmware_feature(pugi::xml_node os, std::string_view name) {
  for (const auto feature : os.child("firmware").children("feature"))
    if (says(feature, "name", name)) return says(feature, "enabled", "yes");
  return std::nullopt;
}

void read_os(pugi::xml_node domain, DomainFacts& facts) {
  const auto os = domain.child("os");
  facts.type = attribute(domain, "type");
  facts.arch = attribute(os.child("type"), "arch");
  facts.machine = attribute(os.child("type"), "machine");
  facts.firmware = attribute(os, "firmware");
  facts.loader = os.child("loader").child_value();
  facts.loader_pflash = says(os.child("loader"), "type", "pflash");
  facts.loader_secure = says(os.child("loader"), "secure", "yes");
  facts.secure_boot = firmware_feature(os, "secure-boot");
  facts.enrolled_keys = firmware_feature(os, "enrolled-keys");
  for (const auto table : os.child("acpi").children("table"))
    facts.acpi_tables.emplace_back(table.child_value());
  facts.os_id = attribute(domain.child("metadata").child("libosinfo:libosinfo").child("libosinfo:os"), "id");
}

void read_features(pugi::xml_node domain, DomainFacts& facts) {
  const auto features = domain.child("features");
  facts.smm = features.child("smm") && !says(features.child("smm"), "state", "off");
  facts.ioapic = attribute(features.child("ioapic"), "driver");
  facts.kvm_hidden = says(features.child("kvm").child("hidden"), "state", "on");
  facts.hyperv = !features.child("hyperv").empty();
  facts.hyperv_vendor_id = attribute(features.child("hyperv").child("vendor_id"), "value");
  facts.cpu_mode = attribute(domain.child("cpu"), "mode");
}

void read_memory(pugi::xml_node domain, DomainFacts& facts) {
  facts.memory_kib = size_of(domain.child("memory"), "KiB") / 1024;
  facts.hard_limit_kib = size_of(domain.child("memtune").child("hard_limit"), "KiB") / 1024;
  const auto hugepages = domain.child("memoryBacking").child("hugepages");
  facts.hugepages = !hugepages.empty();
  const auto page = hugepages.child("page");
  facts.hugepage_kib = scaled_size(attribute(page, "size"), attribute(page, "unit"), "KiB") / 1024;
}

void read_shared_memory(pugi::xml_node shmem, DomainFacts& facts) {
  facts.shared_memory.push_back(
      {attribute(shmem, "name"), attribute(shmem.child("model"), "type"), size_of(shmem.child("size"), "b")});
}

void read_device(pugi::xml_node node, DomainFacts& facts) {
  const std::string_view name{node.name()};
  if (name == "video") facts.videos.push_back(attribute(node.child("model"), "type"));
  if (name == "graphics") facts.graphics.push_back(attribute(node, "type"));
  if (name == "input") facts.inputs.push_back(attribute(node, "type") + "/" + attribute(node, "bus"));
  if (name == "memballoon") facts.balloon = attribute(node, "model");
  if (name == "tpm") facts.tpm_backend = attribute(node.child("backend"), "type");
  if (name == "iommu") {
    facts.viommu = attribute(node, "model");
    facts.viommu_caching = says(node.child("driver"), "caching_mode", "on");
  }
  if (name == "shmem") read_shared_memory(node, facts);
  if (name == "hostdev" && node.child("rom").attribute("file"))
    if (const auto address = parse_pci_address(node.child("source").child("address")))
      facts.roms[*address] = attribute(node.child("rom"), "file");
}

void read_kvmfr(const std::string& argument, DomainFacts& facts) {
  if (argument.find("/dev/kvmfr") == std::string::npos) return;
  const auto size = qemu_property(argument, "size");
  const auto digits = std::min(size.find_first_not_of("0123456789"), size.size());
  facts.kvmfr_bytes = scaled_size(size.substr(0, digits), size.substr(digits), "b");
  facts.kvmfr_id = qemu_property(argument, "id");
}

void read_command_line(pugi::xml_node domain, DomainFacts& facts) {
  for (const auto argument : domain.child("qemu:commandline").children("qemu:arg")) {
    const auto value = attribute(argument, "value");
    if (!facts.qemu_arguments.empty() && facts.qemu_arguments.back() == "-acpitable" &&
        value.starts_with("file="))
      facts.acpi_tables.push_back(value.substr(5));
    read_kvmfr(value, facts);
    facts.qemu_arguments.push_back(value);
  }
}

bool is_pci_express(pugi::xml_node domain, const std::string& machine) {
  if (machine.find("q35") != std::string::npos || machine.starts_with("virt")) return true;
  for (const auto controller : domain.child("devices").children("controller"))
    if (says(controller, "model", "pcie-root")) return true;
  return false;
}

}  // namespace

std::uint64_t scaled_size(const std::string& number, const std::string& unit, const std::string& otherwise) {
  std::uint64_t value{};
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc{} || end != number.data() + number.size()) return 0;
  const auto& name = unit.empty() ? otherwise : unit;
  if (name == "b" || name == "byte" || name == "bytes") return value;
  const auto power = std::string_view{"kmgtpe"}.find(static_cast<char>(name.front() | 0x20));
  const auto rest = name.substr(1);
  if (power == std::string_view::npos || (rest != "" && rest != "B" && rest != "iB")) return 0;
  const std::uint64_t base = rest == "B" ? 1000 : 1024;
  for (std::size_t i = 0; i <= power; ++i)
    if (__builtin_mul_overflow(value, base, &value)) return 0;
  return value;
}

DomainFacts domain_facts(const std::string& xml) {
  return domain_facts(parse_domain(xml).document_element());
}

DomainFacts domain_facts(pugi::xml_node domain) {
  DomainFacts facts;
  read_os(domain, facts);
  read_features(domain, facts);
  read_memory(domain, facts);
  for (const auto node : domain.child("devices").children()) read_device(node, facts);
  read_command_line(domain, facts);
  facts.pci_express = is_pci_express(domain, facts.machine);
  facts.has_pci = facts.machine != "microvm" && facts.machine != "none" && facts.machine != "isapc";
  return facts;
}

std::size_t free_hotplug_ports(const std::string& xml) {
  const auto document = parse_domain(xml);
  const auto devices = document.document_element().child("devices");
  std::set<unsigned long> used;
  for (const auto node : devices.children())
    if (says(node.child("address"), "type", "pci"))
      if (const auto address = parse_pci_address(node.child("address"))) used.insert(address->bus);
  std::size_t free = 0;
  for (const auto node : devices.children("controller")) {
    const auto model = attribute(node, "model");
    const auto index = parse_number(attribute(node, "index"));
    const bool port = model == "pcie-root-port" || model == "pcie-switch-downstream-port";
    if (port && index && !used.contains(*index) && !says(node.child("target"), "hotplug", "off")) ++free;
  }
  return free;
}

bool shares_guest_slot(const std::string& xml, PciAddress function) {
  const auto document = parse_domain(xml);
  for (const auto node : document.document_element().child("devices").children("hostdev")) {
    if (parse_pci_address(node.child("source").child("address")) != function) continue;
    const auto address = node.child("address");
    const auto guest = parse_pci_address(address);
    if (says(address, "multifunction", "on") || (guest && guest->function != 0)) return true;
  }
  return false;
}

}  // namespace gpuctl
