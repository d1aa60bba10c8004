// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus/sd_bus_vtable.hpp"

#include <cstring>

namespace gpuctl {
namespace {

constexpr std::uint64_t flag_bits = (std::uint64_t{1} << 56U) - 1;

sd_bus_vtable entry(std::uint8_t type, std::uint64_t flags) {
  sd_bus_vtable made;
  std::memset(&made, 0, sizeof made);  // {} need not clear all of the union in it
  made.type = type;
  made.flags = flags & flag_bits;
  return made;
}

}  // namespace

sd_bus_vtable vtable_start() {
  auto made = entry(_SD_BUS_VTABLE_START, 0);
  made.x.start.element_size = sizeof(sd_bus_vtable);
  made.x.start.features = _SD_BUS_VTABLE_PARAM_NAMES;
  made.x.start.vtable_format_reference = &sd_bus_object_vtable_format;
  return made;
}

sd_bus_vtable vtable_method(const char* name, const char* takes, const char* gives, const char* arguments,
                            sd_bus_message_handler_t handler) {
  auto made = entry(_SD_BUS_VTABLE_METHOD, SD_BUS_VTABLE_UNPRIVILEGED);
  made.x.method.member = name;
  made.x.method.signature = takes;
  made.x.method.result = gives;
  made.x.method.names = arguments;
  made.x.method.handler = handler;
  return made;
}

sd_bus_vtable vtable_property(const char* name, const char* type, std::uint64_t flags,
                              sd_bus_property_get_t get) {
  auto made = entry(_SD_BUS_VTABLE_PROPERTY, flags);
  made.x.property.member = name;
  made.x.property.signature = type;
  made.x.property.get = get;
  return made;
}

sd_bus_vtable vtable_end() { return entry(_SD_BUS_VTABLE_END, 0); }

}  // namespace gpuctl
