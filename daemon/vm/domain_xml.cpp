// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/domain_xml.hpp"

#include <charconv>
#include <limits>
#include <sstream>

#include <fmt/format.h>

#include "core/error.hpp"

namespace gpuctl {
namespace {

constexpr unsigned parse_flags = pugi::parse_full | pugi::parse_ws_pcdata;
constexpr unsigned write_flags =
    pugi::format_raw | pugi::format_attribute_single_quote | pugi::format_no_declaration;
constexpr int depth_limit = 256;  // XML_PARSER_MAX_DEPTH of libxml2, which libvirt reads with

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::invalid_argument, "The VM's definition cannot be read: " + why + ".");
}

/// Depth-first without recursion, so that no document can exhaust the stack.
void check_depth(const pugi::xml_document& document) {
  int depth = 0;
  pugi::xml_node node = document.first_child();
  while (node) {
    if (node.first_child()) {
      node = node.first_child();
      if (++depth > depth_limit) refuse(fmt::format("it nests deeper than {} elements", depth_limit));
      continue;
    }
    while (node && !node.next_sibling()) {
      node = node.parent();
      --depth;
      if (node == document) return;
    }
    node = node.next_sibling();
  }
}

bool is_blank(pugi::xml_node node) {
  return node.type() == pugi::node_pcdata &&
         std::string_view{node.value()}.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// The white space in front of an element: the end of the line before and its indentation; empty if on the
/// same line.
std::string lead_of(pugi::xml_node element) {
  const auto before = element.previous_sibling();
  if (!is_blank(before)) return {};
  const std::string_view space{before.value()};
  const auto line = space.rfind('\n');
  return line == std::string_view::npos ? std::string{} : std::string{space.substr(line)};
}

bool is_element(pugi::xml_node node) { return node.type() == pugi::node_element; }

pugi::xml_node last_element(pugi::xml_node parent) {
  auto node = parent.last_child();
  while (node && !is_element(node)) node = node.previous_sibling();
  return node;
}

/// The first element of an element that has none: gets the indentation of its parent and two spaces.
pugi::xml_node append_first(pugi::xml_node parent, const char* name) {
  while (is_blank(parent.last_child())) parent.remove_child(parent.last_child());
  const auto root = parent.parent().type() == pugi::node_document;
  const auto lead = root ? std::string{"\n"} : lead_of(parent);
  if (!lead.empty()) parent.append_child(pugi::node_pcdata).set_value((lead + "  ").c_str());
  const auto added = parent.append_child(name);
  if (!lead.empty()) parent.append_child(pugi::node_pcdata).set_value(lead.c_str());
  return added;
}

}  // namespace

pugi::xml_document parse_domain(const std::string& xml) {
  if (xml.size() > domain_xml_limit) refuse("it is longer than 4 MiB");
  pugi::xml_document document;
  const auto result = document.load_buffer(xml.data(), xml.size(), parse_flags, pugi::encoding_utf8);
  if (!result) refuse(fmt::format("{} at byte {}", result.description(), result.offset));
  check_depth(document);
  if (document.document_element().name() != std::string_view{"domain"}) refuse("it is no <domain> document");
  return document;
}

std::string to_text(const pugi::xml_document& document) {
  std::ostringstream out;
  for (const auto node : document) {  // white space beside the root is not kept by the parser
    node.print(out, "", write_flags, pugi::encoding_utf8);
    out << '\n';
  }
  return std::move(out).str();
}

pugi::xml_node insert_element_after(pugi::xml_node sibling, const char* name) {
  auto parent = sibling.parent();
  const auto lead = lead_of(sibling);
  const auto added = parent.insert_child_after(name, sibling);
  if (!lead.empty()) parent.insert_child_before(pugi::node_pcdata, added).set_value(lead.c_str());
  return added;
}

pugi::xml_node insert_element_before(pugi::xml_node sibling, const char* name) {
  auto parent = sibling.parent();
  const auto lead = lead_of(sibling);
  const auto added = parent.insert_child_before(name, sibling);
  if (!lead.empty()) parent.insert_child_after(pugi::node_pcdata, added).set_value(lead.c_str());
  return added;
}

pugi::xml_node append_element(pugi::xml_node parent, const char* name) {
  const auto last = last_element(parent);
  return last ? insert_element_after(last, name) : append_first(parent, name);
}

pugi::xml_node child_element(pugi::xml_node parent, const char* name) {
  const auto found = parent.child(name);
  return found ? found : append_element(parent, name);
}

void remove_element(pugi::xml_node element) {
  auto parent = element.parent();
  if (is_blank(element.previous_sibling())) parent.remove_child(element.previous_sibling());
  parent.remove_child(element);
  if (is_blank(parent.first_child()) && !parent.first_child().next_sibling())
    parent.remove_child(parent.first_child());
}

void set_attribute(pugi::xml_node element, const char* name, std::string_view value) {
  auto attribute = element.attribute(name);
  if (!attribute) attribute = element.append_attribute(name);
  attribute.set_value(std::string{value}.c_str());
}

std::optional<unsigned long> parse_number(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.starts_with('0')) {
    base = 8;
  }
  unsigned long value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return value;
}

std::optional<PciAddress> parse_pci_address(pugi::xml_node address) {
  const auto part = [&](const char* name, unsigned long limit) -> std::optional<unsigned long> {
    const auto value = parse_number(address.attribute(name).as_string("0"));
    return value && *value <= limit ? value : std::nullopt;
  };
  const auto domain = part("domain", std::numeric_limits<std::uint32_t>::max()), bus = part("bus", 0xff),
             slot = part("slot", 0x1f), function = part("function", 7);
  if (!domain || !bus || !slot || !function) return std::nullopt;
  return PciAddress{static_cast<std::uint32_t>(*domain), static_cast<std::uint8_t>(*bus),
                    static_cast<std::uint8_t>(*slot), static_cast<std::uint8_t>(*function)};
}

void write_pci_address(pugi::xml_node address, PciAddress value) {
  set_attribute(address, "domain", fmt::format("0x{:04x}", value.domain));
  set_attribute(address, "bus", fmt::format("0x{:02x}", value.bus));
  set_attribute(address, "slot", fmt::format("0x{:02x}", value.device));
  set_attribute(address, "function", fmt::format("0x{:x}", value.function));
}

}  // namespace gpuctl
