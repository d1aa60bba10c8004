// SPDX-License-Identifier: GPL-2.0-or-later
// A D-Bus client that costs next to nothing itself.
//   bus_client objects | state | id  COUNT [GPU]    milliseconds of each call, one a line
//   bus_client rate SECONDS [GPU]                   property reads a second, 16 in flight
// GPU: the last part of its object's path, 0000_00_00 if it is not given.
#include <systemd/sd-bus.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace {

using Clock = std::chrono::steady_clock;
std::string gpu = "/org/gpuctl1/gpus/0000_00_00";

void require(int result) {
  if (result < 0) throw std::runtime_error("the call failed: " + std::to_string(result));
}

struct Bus {
  Bus() { require(sd_bus_open_system(&bus)); }
  ~Bus() { sd_bus_flush_close_unref(bus); }
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;
  sd_bus* bus{};
};

void call(sd_bus* bus, const std::string& what) {
  sd_bus_message* reply = nullptr;
  if (what == "objects")
    require(sd_bus_call_method(bus, "org.gpuctl1", "/org/gpuctl1", "org.freedesktop.DBus.ObjectManager",
                               "GetManagedObjects", nullptr, &reply, ""));
  else if (what == "state")
    require(sd_bus_call_method(bus, "org.gpuctl1", gpu.c_str(), "org.freedesktop.DBus.Properties", "Get",
                               nullptr, &reply, "ss", "org.gpuctl1.Gpu", "State"));
  else
    require(sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                               "GetId", nullptr, &reply, ""));
  sd_bus_message_unref(reply);
}

struct Flight {
  unsigned long answered{};
  int in_flight{};
};

int landed(sd_bus_message* message, void* data, sd_bus_error*) {
  auto& flight = *static_cast<Flight*>(data);
  if (sd_bus_message_is_method_error(message, nullptr) == 0) ++flight.answered;
  --flight.in_flight;
  return 0;
}

double rate(sd_bus* bus, double seconds) {
  Flight flight;
  const auto begin = Clock::now();
  const auto passed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  while (passed() < seconds) {
    for (; flight.in_flight < 16; ++flight.in_flight)
      require(sd_bus_call_method_async(bus, nullptr, "org.gpuctl1", gpu.c_str(),
                                       "org.freedesktop.DBus.Properties", "Get", landed, &flight, "ss",
                                       "org.gpuctl1.Gpu", "State"));
    const int more = sd_bus_process(bus, nullptr);
    require(more);
    if (more == 0) require(sd_bus_wait(bus, 1000000));
  }
  return static_cast<double>(flight.answered) / passed();
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3 && argc != 4) return 2;
  if (argc == 4) gpu = std::string("/org/gpuctl1/gpus/") + argv[3];
  Bus connection;
  const std::string what = argv[1];
  if (what == "rate") return std::printf("%f\n", rate(connection.bus, std::atof(argv[2]))) < 0;
  for (int i = std::atoi(argv[2]); i > 0; --i) {
    const auto begin = Clock::now();
    call(connection.bus, what);
    std::printf("%f\n", std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
