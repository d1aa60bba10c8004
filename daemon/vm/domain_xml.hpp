// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <pugixml.hpp>

#include "core/pci_address.hpp"

namespace gpuctl {

/// libvirt itself sends no longer strings than this over its wire (REMOTE_STRING_MAX).
inline constexpr std::size_t domain_xml_limit = 4 * 1024 * 1024;

/// Reads a libvirt domain definition so that to_text() gives it back as it was: comments, white space,
/// namespaces and elements nobody here knows included. Total: throws Error(invalid_argument) for anything
/// that is no <domain> document, is longer than domain_xml_limit or nests deeper than libxml2 allows.
pugi::xml_document parse_domain(const std::string& xml);
std::string to_text(const pugi::xml_document& document);

/// Adds an element after the last one in `parent`, on a line of its own where the document has such lines.
pugi::xml_node append_element(pugi::xml_node parent, const char* name);
pugi::xml_node insert_element_after(pugi::xml_node sibling, const char* name);
pugi::xml_node insert_element_before(pugi::xml_node sibling, const char* name);
/// As append_element, unless there is such a child already.
pugi::xml_node child_element(pugi::xml_node parent, const char* name);
/// Takes an element out together with its line.
void remove_element(pugi::xml_node element);
void set_attribute(pugi::xml_node element, const char* name, std::string_view value);

/// What strtoul(text, base 0) accepts whole: libvirt's way of reading numbers; nothing if it does not fit 32
/// bits.
std::optional<unsigned long> parse_number(std::string_view text);
/// Of an <address> element with domain, bus, slot, function; missing ones are 0; nothing if out of range.
std::optional<PciAddress> parse_pci_address(pugi::xml_node address);
void write_pci_address(pugi::xml_node address, PciAddress value);

}  // namespace gpuctl
