// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>

#include <systemd/sd-bus.h>

namespace gpuctl {

/// What the SD_BUS_ macros of <systemd/sd-bus-vtable.h> make, which are C.
sd_bus_vtable vtable_start();
sd_bus_vtable vtable_method(const char* name, const char* takes, const char* gives, const char* arguments,
                            sd_bus_message_handler_t handler);
sd_bus_vtable vtable_property(const char* name, const char* type, std::uint64_t flags,
                              sd_bus_property_get_t get);
sd_bus_vtable vtable_end();

}  // namespace gpuctl
