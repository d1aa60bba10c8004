// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/qemu_arguments.hpp"

#include <vector>

#include <nlohmann/json.hpp>

#include "vm/domain_xml.hpp"

namespace gpuctl {
namespace {

constexpr auto element_name = "qemu:commandline";
constexpr auto namespace_uri = "http://libvirt.org/schemas/domain/qemu/1.0";

std::string_view value_of(pugi::xml_node argument) { return argument.attribute("value").as_string(); }

/// libvirt writes arguments before environment variables; so does this.
void append_argument(pugi::xml_node command_line, const std::string& value) {
  pugi::xml_node last;
  for (const auto argument : command_line.children("qemu:arg")) last = argument;
  const auto environment = command_line.child("qemu:env");
  auto added = last          ? insert_element_after(last, "qemu:arg")
               : environment ? insert_element_before(environment, "qemu:arg")
                             : append_element(command_line, "qemu:arg");
  set_attribute(added, "value", value);
}

std::string comma_value(const std::string& value, const std::string& key) {
  const auto at = ("," + value).find("," + key + "=");
  if (at == std::string::npos) return {};
  const auto start = at + key.size() + 1;
  return value.substr(start, value.find(',', start) - start);
}

}  // namespace

void append_qemu_argument(pugi::xml_node domain, const std::string& option, const std::string& value) {
  if (!domain.attribute("xmlns:qemu")) set_attribute(domain, "xmlns:qemu", namespace_uri);
  const auto command_line = child_element(domain, element_name);
  append_argument(command_line, option);
  append_argument(command_line, value);
}

void remove_qemu_arguments(pugi::xml_node domain, std::string_view option,
                           const std::function<bool(std::string_view)>& unwanted) {
  const auto command_line = domain.child(element_name);
  std::vector<pugi::xml_node> doomed;
  for (const auto argument : command_line.children("qemu:arg")) {
    const auto value = argument.next_sibling("qemu:arg");
    if (value_of(argument) != option || !value || !unwanted(value_of(value))) continue;
    doomed.push_back(argument);
    doomed.push_back(value);
  }
  for (const auto node : doomed) remove_element(node);
  if (command_line && !command_line.first_child()) remove_element(command_line);
}

std::string qemu_property(const std::string& value, const std::string& key) {
  const auto json = nlohmann::json::parse(value, nullptr, false);
  if (!json.is_object()) return comma_value(value, key);
  const auto found = json.find(key);
  if (found == json.end()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

}  // namespace gpuctl
