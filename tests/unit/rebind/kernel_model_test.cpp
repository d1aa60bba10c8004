// SPDX-License-Identifier: GPL-2.0-or-later
// The probes that tests/vm tries on the real kernel, on the model of it.
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "world.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

namespace {

/// "0000:01:00.0: binding to nvidia: No such device (ENODEV)" gives ENODEV.
std::string errno_in(const std::string& message) {
  const auto open = message.rfind('(');
  return open == std::string::npos ? message : message.substr(open + 1, message.rfind(')') - open - 1);
}

class Prober {
 public:
  std::string tried(const std::string& verb, const std::string& function, const std::string& driver) try {
    const auto address = *PciAddress::parse(function == "audio" ? "0000:01:00.1" : "0000:01:00.0");
    auto& kernel = world_.kernel;
    if (verb == "override") return kernel.set_driver_override(address, driver == "-" ? "" : driver), "ok";
    if (verb == "bind") return kernel.bind(address, driver), "ok";
    if (verb == "unbind") return kernel.unbind(address, driver), "ok";
    if (verb == "remove") return kernel.remove(address), "ok";
    if (verb == "rescan") return kernel.rescan(), "ok";
    return shown(verb, read_function(world_.root, address));
  } catch (const Error& e) {
    return errno_in(e.what());
  }

 private:
  static std::string shown(const std::string& attribute, const PciFunction& f) {
    if (attribute == "present") return f.present ? "yes" : "no";
    const auto value = attribute == "driver"  ? f.driver
                       : attribute == "power" ? f.power_control
                                              : f.driver_override;
    return value.empty() ? "-" : value;
  }
  World world_{reference_laptop};
};

}  // namespace

TEST_CASE("the kernel model answers every probe as the real kernel does") {
  std::ifstream file{TEST_DATA "/faults/probes.txt"};
  Prober prober;
  int probes = 0;
  for (std::string line; std::getline(file, line);) {
    const auto sign = line.find(" = ");
    if (line.starts_with('#') || sign == std::string::npos) continue;
    std::istringstream words{line.substr(0, sign)};
    std::string verb, function, driver;
    words >> verb >> function >> driver;
    CHECK_MESSAGE(prober.tried(verb, function, driver) == line.substr(sign + 3), line);
    ++probes;
  }
  CHECK(probes > 30);
}
