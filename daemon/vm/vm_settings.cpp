// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_settings.hpp"

#include <string_view>

#include "vm/domain_xml.hpp"

namespace gpuctl {
namespace {

constexpr auto element_name = "gpuctl:settings";
constexpr auto namespace_uri = "https://gpuctl.org/xmlns/domain/1";

pugi::xml_node settings_node(const pugi::xml_document& document) {
  return document.document_element().child("metadata").child(element_name);
}

void forget(const pugi::xml_document& document) {
  const auto node = settings_node(document);
  if (!node) return;
  const auto metadata = node.parent();
  remove_element(node);
  if (!metadata.first_child()) remove_element(metadata);
}

pugi::xml_node metadata_of(pugi::xml_node domain) {
  if (const auto found = domain.child("metadata")) return found;
  for (const auto* before : {"description", "title", "genid", "uuid", "name"})
    if (const auto sibling = domain.child(before)) return insert_element_after(sibling, "metadata");
  return append_element(domain, "metadata");
}

void remove_file(pugi::xml_node rom) {
  rom.remove_attribute("file");
  if (rom && !rom.first_attribute() && !rom.first_child()) remove_element(rom);
}

}  // namespace

VmSettings read_settings(const pugi::xml_document& document) {
  VmSettings settings;
  for (const auto rom : settings_node(document).children("gpuctl:rom"))
    if (const auto address = PciAddress::parse(rom.attribute("function").as_string()))
      settings.roms[*address] = rom.attribute("file").as_string();
  return settings;
}

void write_settings(pugi::xml_document& document, const VmSettings& settings) {
  if (read_settings(document) == settings) return;
  forget(document);
  if (settings.roms.empty()) return;
  auto node = append_element(metadata_of(document.document_element()), element_name);
  set_attribute(node, "xmlns:gpuctl", namespace_uri);
  for (const auto& [function, file] : settings.roms) {
    auto rom = append_element(node, "gpuctl:rom");
    set_attribute(rom, "function", function.str());
    set_attribute(rom, "file", file);
  }
}

void set_rom(pugi::xml_node hostdev, const std::string& path) {
  auto rom = hostdev.child("rom");
  if (path.empty()) return remove_file(rom);
  if (!rom) rom = insert_element_after(hostdev.child("source"), "rom");
  rom.remove_attribute("enabled");
  if (rom.attribute("bar").as_string() == std::string_view{"off"}) rom.remove_attribute("bar");
  set_attribute(rom, "file", path);
}

}  // namespace gpuctl
