// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_revert.hpp"

#include <sstream>
#include <string_view>

#include "vm/domain_xml.hpp"
#include "vm/hostdev.hpp"

namespace gpuctl {
namespace {

std::string name_in(const std::string& xml) {
  return parse_domain(xml).document_element().child_value("name");
}

/// libvirt sets it where gpuctl's port comes into a slot, and leaves it there when the port goes.
void drop_multifunction(pugi::xml_node domain) {
  for (auto controller : domain.child("devices").children("controller"))
    if (controller.attribute("type").value() == std::string_view{"pci"})
      controller.child("address").remove_attribute("multifunction");
}

/// Without white space, too.
std::string comparable(const std::string& xml) {
  pugi::xml_document document;
  document.load_string(xml.c_str());
  drop_multifunction(document.document_element());
  std::ostringstream text;
  document.save(text, "", pugi::format_raw);
  return std::move(text).str();
}

}  // namespace

std::string with_name_of(const std::string& xml, const std::string& present) {
  const auto name = name_in(present);
  if (name_in(xml) == name) return xml;
  const auto document = parse_domain(xml);
  document.document_element().child("name").text().set(name.c_str());
  return to_text(document);
}

bool same_set_up(const std::string& one, const std::string& other) {
  const auto bare = [&](const std::string& xml) {
    return comparable(with_name_of(remove_hostdevs(xml, own_functions(xml)), other));
  };
  return bare(one) == bare(other);
}

}  // namespace gpuctl
