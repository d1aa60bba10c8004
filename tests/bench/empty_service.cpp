// SPDX-License-Identifier: GPL-2.0-or-later
// The floor of every service: connects, takes its name, and waits; it answers Peer.Ping, as every connection
// does.
//   empty_service [NAME]
#include <systemd/sd-bus.h>

int main(int argc, char** argv) {
  sd_bus* bus = nullptr;
  if (sd_bus_open_system(&bus) < 0 || sd_bus_request_name(bus, argc > 1 ? argv[1] : "org.gpuctl1", 0) < 0)
    return 1;
  for (;;) {
    const int more = sd_bus_process(bus, nullptr);
    if (more < 0 || (more == 0 && sd_bus_wait(bus, UINT64_MAX) < 0)) return 1;
  }
}
