// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/hostdev.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/error.hpp"
#include "vm/domain_facts.hpp"
#include "vm/domain_xml.hpp"
#include "vm/vm_settings.hpp"

namespace gpuctl {
namespace {

constexpr std::string_view port_alias = "ua-gpuctl-port-";

bool is(pugi::xml_node node, const char* attribute, std::string_view value) {
  return node.attribute(attribute).as_string() == value;
}

bool is_pci_hostdev(pugi::xml_node node) {
  const std::string_view name{node.name()};
  if (name == "interface") return is(node, "type", "hostdev");
  if (name != "hostdev" || !is(node, "type", "pci")) return false;
  return node.attribute("mode").as_string("subsystem") == std::string_view{"subsystem"};
}

std::optional<Hostdev> read_hostdev(pugi::xml_node node) {
  const auto function = parse_pci_address(node.child("source").child("address"));
  if (!is_pci_hostdev(node) || !node.child("source").child("address") || !function) return std::nullopt;
  Hostdev found{*function, node.child("alias").attribute("name").as_string(), is(node, "managed", "yes"),
                false};
  found.own = found.alias == hostdev_alias(*function);
  return found;
}

pugi::xml_node devices_of(const pugi::xml_document& document) {
  return document.document_element().child("devices");
}

std::vector<Hostdev> read_hostdevs(const pugi::xml_document& document) {
  std::vector<Hostdev> found;
  for (const auto node : devices_of(document).children())
    if (auto hostdev = read_hostdev(node)) found.push_back(std::move(*hostdev));
  return found;
}

template <class Predicate>
std::vector<PciAddress> addresses(const std::vector<Hostdev>& from, Predicate wanted) {
  std::set<PciAddress> sorted;
  for (const auto& hostdev : from)
    if (wanted(hostdev)) sorted.insert(hostdev.function);
  return {sorted.begin(), sorted.end()};
}

bool is_pci_controller(pugi::xml_node node) {
  return node.name() == std::string_view{"controller"} && is(node, "type", "pci");
}

/// Guest addresses in use: those of all devices, hostdevs included (but not the host addresses in their
/// <source>).
std::vector<PciAddress> guest_addresses(const pugi::xml_document& document) {
  std::vector<PciAddress> used;
  for (const auto node : devices_of(document).children()) {
    const auto address = node.child("address");
    if (!is(address, "type", "pci")) continue;
    if (const auto parsed = parse_pci_address(address)) used.push_back(*parsed);
  }
  return used;
}

std::string port_alias_of(unsigned long bus) { return fmt::format("{}{}", port_alias, bus); }

unsigned long controller_index(pugi::xml_node node) {
  return parse_number(node.attribute("index").as_string()).value_or(0);
}

/// A root port for one guest device. libvirt fills in its own address, chassis and port number.
std::uint8_t add_root_port(const pugi::xml_document& document) {
  unsigned long bus = 0;
  pugi::xml_node last;
  for (const auto node : devices_of(document).children())
    if (is_pci_controller(node)) {
      bus = std::max(bus, controller_index(node));
      last = node;
    }
  for (const auto& address : guest_addresses(document)) bus = std::max<unsigned long>(bus, address.bus);
  if (++bus > 0xff) throw Error(ErrorCode::blocked, "The VM has no PCI bus number left for the GPU.");
  auto devices = devices_of(document);
  auto port = last ? insert_element_after(last, "controller") : append_element(devices, "controller");
  set_attribute(port, "type", "pci");
  set_attribute(port, "index", std::to_string(bus));
  set_attribute(port, "model", "pcie-root-port");
  set_attribute(append_element(port, "alias"), "name", port_alias_of(bus));
  return static_cast<std::uint8_t>(bus);
}

/// On bus 0 from the upper half, which libvirt's own assignment reaches last.
std::uint8_t free_slot(const pugi::xml_document& document) {
  std::set<int> used{0, 1, 2};  // host bridge, PIIX3, primary video
  for (const auto& address : guest_addresses(document))
    if (address.bus == 0) used.insert(address.device);
  for (int slot = 0x10; slot <= 0x1f; ++slot)
    if (!used.contains(slot)) return static_cast<std::uint8_t>(slot);
  for (int slot = 0x03; slot < 0x10; ++slot)
    if (!used.contains(slot)) return static_cast<std::uint8_t>(slot);
  throw Error(ErrorCode::blocked, "The VM has no PCI slot left for the GPU.");
}

PciAddress guest_slot(const pugi::xml_document& document) {
  if (domain_facts(document.document_element()).pci_express) return {0, add_root_port(document), 0, 0};
  return {0, 0, free_slot(document), 0};
}

pugi::xml_node new_hostdev_node(const pugi::xml_document& document) {
  pugi::xml_node last;
  for (const auto node : devices_of(document).children("hostdev")) last = node;
  return last ? insert_element_after(last, "hostdev") : append_element(devices_of(document), "hostdev");
}

void fill_hostdev(pugi::xml_node node, PciAddress function) {
  set_attribute(node, "mode", "subsystem");
  set_attribute(node, "type", "pci");
  set_attribute(node, "managed", "no");
  write_pci_address(append_element(append_element(node, "source"), "address"), function);
}

void mark_as_own(pugi::xml_node node, PciAddress function) {
  set_attribute(append_element(node, "alias"), "name", hostdev_alias(function));
}

void put_into_guest(pugi::xml_node node, PciAddress guest, bool multifunction) {
  auto address = append_element(node, "address");
  set_attribute(address, "type", "pci");
  write_pci_address(address, guest);
  if (multifunction) set_attribute(address, "multifunction", "on");
}

void add_as_one_device(const pugi::xml_document& document, const std::vector<PciAddress>& functions) {
  if (functions.size() > 8)
    throw Error(ErrorCode::invalid_argument, "A PCI device has at most eight functions.");
  const auto settings = read_settings(document);
  auto guest = guest_slot(document);
  for (const auto& function : functions) {
    auto node = new_hostdev_node(document);
    fill_hostdev(node, function);
    mark_as_own(node, function);
    put_into_guest(node, guest, guest.function == 0 && functions.size() > 1);
    if (const auto rom = settings.roms.find(function); rom != settings.roms.end()) set_rom(node, rom->second);
    ++guest.function;
  }
}

void remove_empty_ports(const pugi::xml_document& document) {
  std::set<unsigned long> used;
  for (const auto& address : guest_addresses(document)) used.insert(address.bus);
  std::vector<pugi::xml_node> empty;
  for (const auto node : devices_of(document).children("controller")) {
    const std::string_view alias{node.child("alias").attribute("name").as_string()};
    if (is_pci_controller(node) && alias.starts_with(port_alias) && !used.contains(controller_index(node)))
      empty.push_back(node);
  }
  for (const auto node : empty) remove_element(node);
}

void remove_own(const pugi::xml_document& document, const std::vector<PciAddress>& functions) {
  std::vector<pugi::xml_node> doomed;
  for (const auto node : devices_of(document).children()) {
    const auto hostdev = read_hostdev(node);
    if (hostdev && hostdev->own && std::ranges::count(functions, hostdev->function) > 0)
      doomed.push_back(node);
  }
  for (const auto node : doomed) remove_element(node);
  if (!doomed.empty()) remove_empty_ports(document);
}

void sort_unique(std::vector<PciAddress>& functions) {
  std::ranges::sort(functions);
  functions.erase(std::unique(functions.begin(), functions.end()), functions.end());
}

}  // namespace

std::vector<Hostdev> hostdevs(const std::string& xml) { return read_hostdevs(parse_domain(xml)); }

std::vector<PciAddress> claimed_functions(const std::string& xml) {
  return addresses(hostdevs(xml), [](const Hostdev&) { return true; });
}

std::vector<PciAddress> own_functions(const std::string& xml) {
  return addresses(hostdevs(xml), [](const Hostdev& hostdev) { return hostdev.own; });
}

std::string add_hostdevs(const std::string& xml, std::vector<PciAddress> functions) {
  sort_unique(functions);
  const auto document = parse_domain(xml);
  const auto present = read_hostdevs(document);
  const auto own = addresses(present, [](const Hostdev& hostdev) { return hostdev.own; });
  const auto claimed = addresses(present, [](const Hostdev&) { return true; });
  const auto is_in = [](const auto& list) {
    return [&list](PciAddress a) { return std::ranges::count(list, a) > 0; };
  };
  if (std::ranges::all_of(functions, is_in(claimed))) return xml;
  // Functions of one card stay one guest device: gpuctl's earlier entries move to where the missing ones go.
  std::erase_if(functions, [&](PciAddress a) { return is_in(claimed)(a) && !is_in(own)(a); });
  remove_own(document, functions);
  child_element(document.document_element(), "devices");
  add_as_one_device(document, functions);
  return to_text(document);
}

std::string remove_hostdevs(const std::string& xml, const std::vector<PciAddress>& functions) {
  const auto document = parse_domain(xml);
  const auto own = own_functions(xml);
  if (std::ranges::none_of(functions, [&](PciAddress a) { return std::ranges::count(own, a) > 0; }))
    return xml;
  remove_own(document, functions);
  return to_text(document);
}

std::string live_hostdev_xml(PciAddress function) {
  pugi::xml_document document;
  const auto node = document.append_child("hostdev");
  fill_hostdev(node, function);
  mark_as_own(node, function);
  return to_text(document);
}

std::string hostdev_xml(PciAddress function) {
  pugi::xml_document document;
  fill_hostdev(document.append_child("hostdev"), function);
  return to_text(document);
}

std::string hostdev_alias(PciAddress a) {
  return fmt::format("ua-gpuctl-{:04x}-{:02x}-{:02x}-{:x}", a.domain, a.bus, a.device, a.function);
}

}  // namespace gpuctl
