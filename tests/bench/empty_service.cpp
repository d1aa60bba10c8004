// SPDX-License-Identifier: GPL-2.0-or-later
// The floor of every service: connects, takes its name, and waits.
#include <systemd/sd-bus.h>

int main() {
  sd_bus* bus = nullptr;
  if (sd_bus_open_system(&bus) < 0 || sd_bus_request_name(bus, "org.gpuctl1", 0) < 0) return 1;
  for (;;) {
    if (sd_bus_process(bus, nullptr) < 0) return 1;
    if (sd_bus_wait(bus, UINT64_MAX) < 0) return 1;
  }
}
