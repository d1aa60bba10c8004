// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include <pugixml.hpp>

namespace gpuctl {

// <qemu:commandline> of a domain: arguments that libvirt hands to QEMU as they are, an option and its value
// in two.

void append_qemu_argument(pugi::xml_node domain, const std::string& option, const std::string& value);
/// Every `option` with such a value; the element goes when nothing is left in it.
void remove_qemu_arguments(pugi::xml_node domain, std::string_view option,
                           const std::function<bool(std::string_view value)>& unwanted);

/// Value of `key` in an option's value, which is JSON or QEMU's older comma form; empty if it has none.
std::string qemu_property(const std::string& value, const std::string& key);

}  // namespace gpuctl
