// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_setup.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "vm/domain_xml.hpp"
#include "vm/hostdev.hpp"
#include "vm/qemu_arguments.hpp"
#include "vm/vm_settings.hpp"

namespace gpuctl {
namespace {

constexpr auto kvmfr_device_id = "gpuctl-looking-glass";

bool says(pugi::xml_node node, const char* name, std::string_view value) {
  return node.attribute(name).as_string() == value;
}

pugi::xml_node device(pugi::xml_node devices, const char* element, const char* attribute,
                      std::string_view value) {
  for (const auto node : devices.children(element))
    if (says(node, attribute, value)) return node;
  return {};
}

pugi::xml_node device_or_new(pugi::xml_node devices, const char* element, const char* attribute,
                             std::string_view value) {
  if (const auto found = device(devices, element, attribute, value)) return found;
  auto added = append_element(devices, element);
  set_attribute(added, attribute, value);
  return added;
}

void set_text(pugi::xml_node element, const std::string& text) {
  if (element.child_value() != text) element.text().set(text.c_str());
}

void clear(pugi::xml_node element) {
  element.remove_children();
  element.remove_attributes();
}

void use_shmem(pugi::xml_node devices, std::uint64_t mib) {
  auto shmem = device_or_new(devices, "shmem", "name", looking_glass_name);
  set_attribute(child_element(shmem, "model"), "type", "ivshmem-plain");
  auto size = child_element(shmem, "size");
  if (scaled_size(size.child_value(), size.attribute("unit").as_string(), "b") == mib * 1024 * 1024) return;
  set_attribute(size, "unit", "M");
  set_text(size, std::to_string(mib));
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool shows(const std::string& device, const std::string& memory) {
  return !memory.empty() && has(device, "ivshmem") && qemu_property(device, "memdev") == memory;
}

/// The memory object and the device that shows it to the guest, whoever wrote them.
void remove_kvmfr(pugi::xml_node domain) {
  const auto id = domain_facts(domain).kvmfr_id;
  remove_qemu_arguments(domain, "-object", [](auto value) { return has(value, kvmfr_device); });
  remove_qemu_arguments(domain, "-device", [&](auto value) { return shows(std::string{value}, id); });
}

/// libvirt calls the <shmem> devices of a definition so, and QEMU starts with no two of one name.
bool has_name_of_libvirt(const DomainFacts& facts) {
  return std::ranges::any_of(facts.qemu_arguments, [&](const std::string& argument) {
    return shows(argument, facts.kvmfr_id) && qemu_property(argument, "id").starts_with("shmem");
  });
}

bool is_fit(const DomainFacts& facts, std::uint64_t bytes) {
  return facts.kvmfr_bytes == bytes && !has_name_of_libvirt(facts);
}

/// JSON arguments: with QEMU 6.2 and later the older form collides with libvirt's own PCI addresses.
void use_kvmfr(pugi::xml_node domain, std::uint64_t mib) {
  const nlohmann::ordered_json device{
      {"driver", "ivshmem-plain"}, {"id", kvmfr_device_id}, {"memdev", looking_glass_name}};
  const nlohmann::ordered_json memory{{"qom-type", "memory-backend-file"},
                                      {"id", looking_glass_name},
                                      {"mem-path", kvmfr_device},
                                      {"size", mib * 1024 * 1024},
                                      {"share", true}};
  remove_kvmfr(domain);
  append_qemu_argument(domain, "-device", device.dump());
  append_qemu_argument(domain, "-object", memory.dump());
}

void set_transport(pugi::xml_node domain, pugi::xml_node devices, const SetupChanges& changes) {
  const auto mib = looking_glass_mib(*changes.picture);
  if (changes.transport == PictureTransport::kvmfr) {
    if (const auto shmem = device(devices, "shmem", "name", looking_glass_name)) remove_element(shmem);
    if (!is_fit(domain_facts(domain), mib * 1024 * 1024)) use_kvmfr(domain, mib);
    return;
  }
  if (domain_facts(domain).kvmfr_bytes) remove_kvmfr(domain);
  use_shmem(devices, mib);
}

/// Looking Glass shows this one until its host program runs; qxl and virtio have drivers that keep the GPU
/// dark.
void set_video(pugi::xml_node devices) {
  auto video = child_element(devices, "video");
  auto model = child_element(video, "model");
  if (says(model, "type", "vga") || says(model, "type", "none")) return;
  clear(model);
  for (const auto& [name, value] :
       {std::pair{"type", "vga"}, {"vram", "16384"}, {"heads", "1"}, {"primary", "yes"}})
    set_attribute(model, name, value);
}

void set_spice(pugi::xml_node devices) {
  if (!device(devices, "graphics", "type", "spice")) {
    auto graphics = device_or_new(devices, "graphics", "type", "spice");
    set_attribute(graphics, "autoport", "yes");
  }
  if (device(devices, "channel", "type", "spicevmc")) return;
  auto target = append_element(device_or_new(devices, "channel", "type", "spicevmc"), "target");
  set_attribute(target, "type", "virtio");
  set_attribute(target, "name", "com.redhat.spice.0");
}

bool has_input(pugi::xml_node devices, std::string_view type, std::string_view bus) {
  return std::ranges::any_of(devices.children("input"), [&](pugi::xml_node node) {
    return says(node, "type", type) && says(node, "bus", bus);
  });
}

void set_inputs(pugi::xml_node devices) {
  while (const auto tablet = device(devices, "input", "type", "tablet")) remove_element(tablet);
  for (const auto* type : {"mouse", "keyboard"}) {
    if (has_input(devices, type, "virtio")) continue;
    const auto last = device(devices, "input", "type", type);
    auto input = last ? insert_element_after(last, "input") : append_element(devices, "input");
    set_attribute(input, "type", type);
    set_attribute(input, "bus", "virtio");
  }
}

void set_balloon(pugi::xml_node devices) {
  auto balloon = child_element(devices, "memballoon");
  if (says(balloon, "model", "none")) return;
  clear(balloon);
  set_attribute(balloon, "model", "none");
}

void set_picture(pugi::xml_node domain, const SetupChanges& changes) {
  const auto devices = child_element(domain, "devices");
  set_transport(domain, devices, changes);
  set_video(devices);
  set_spice(devices);
  set_inputs(devices);
  set_balloon(devices);
}

void set_roms(pugi::xml_document& document, const SetupChanges& changes) {
  auto settings = read_settings(document);
  for (const auto function : changes.rom_functions)
    if (changes.rom->empty())
      settings.roms.erase(function);
    else
      settings.roms[function] = *changes.rom;
  write_settings(document, settings);
  for (const auto node : document.document_element().child("devices").children("hostdev")) {
    const auto function = parse_pci_address(node.child("source").child("address"));
    if (function && std::ranges::count(changes.rom_functions, *function) > 0) set_rom(node, *changes.rom);
  }
}

pugi::xml_node own_table(pugi::xml_node domain, const std::string& file) {
  for (const auto table : domain.child("os").child("acpi").children("table"))
    if (table.child_value() == file) return table;
  return {};
}

void remove_battery(pugi::xml_node domain, const std::string& file) {
  remove_qemu_arguments(domain, "-acpitable", [&](auto value) { return value == "file=" + file; });
  const auto table = own_table(domain, file);
  if (!table) return;
  const auto acpi = table.parent();
  remove_element(table);
  if (!acpi.child("table")) remove_element(acpi);
}

void set_battery(pugi::xml_node domain, const SetupChanges& changes) {
  if (!*changes.battery) return remove_battery(domain, changes.battery_file);
  const auto tables = domain_facts(domain).acpi_tables;
  if (std::ranges::count(tables, changes.battery_file) > 0) return;
  const auto acpi = domain.child("os").child("acpi");
  if (!changes.acpi_table_element || acpi.child("table"))
    return append_qemu_argument(domain, "-acpitable", "file=" + changes.battery_file);
  auto table = append_element(child_element(domain.child("os"), "acpi"), "table");
  set_attribute(table, "type", "raw");
  set_text(table, changes.battery_file);
}

}  // namespace

std::string setup_domain(const std::string& xml, const SetupChanges& changes) {
  const auto clean = remove_hostdevs(xml, changes.stale);
  auto document = parse_domain(clean);
  const auto as_read = to_text(document);
  const auto domain = document.document_element();
  if (changes.picture) set_picture(domain, changes);
  if (changes.rom) set_roms(document, changes);
  if (changes.battery) set_battery(domain, changes);
  auto changed = to_text(document);
  return changed == as_read ? clean : changed;
}

std::string with_hostdevs_of(const std::string& before, const std::string& now,
                             const std::vector<PciAddress>& stale) {
  const auto is_stale = [&](PciAddress a) { return std::ranges::count(stale, a) > 0; };
  auto then = own_functions(before), wanted = own_functions(now);
  std::erase_if(then, is_stale);
  std::erase_if(wanted, is_stale);
  if (then == wanted) return before;
  auto xml = remove_hostdevs(before, then);
  std::map<PciSlot, std::vector<PciAddress>> cards;
  for (const auto function : wanted) cards[function.slot()].push_back(function);
  for (const auto& [slot, functions] : cards) xml = add_hostdevs(xml, functions);
  return xml;
}

}  // namespace gpuctl
