// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/live_state.hpp"

#include <charconv>
#include <sstream>

#include <fmt/format.h>

namespace gpuctl {
namespace {

/// Bytes of config space that are read: not all 4,096, each of which a dead card lets time out.
constexpr std::size_t config_header = 64;

std::string device_dir(PciAddress address) { return "sys/bus/pci/devices/" + address.str(); }

template <class Number>
Number hex_attribute(const RootDir& root, const std::string& path) {
  const auto text = root.text(path);
  const auto digits = std::string_view{text}.substr(text.starts_with("0x") ? 2 : 0);
  Number value{};
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

PciIdentity read_identity(const RootDir& root, const std::string& dir) {
  return {hex_attribute<std::uint16_t>(root, dir + "/vendor"),
          hex_attribute<std::uint16_t>(root, dir + "/device"),
          hex_attribute<std::uint16_t>(root, dir + "/subsystem_vendor"),
          hex_attribute<std::uint16_t>(root, dir + "/subsystem_device"),
          hex_attribute<std::uint32_t>(root, dir + "/class")};
}

std::string uevent_driver(const std::string& uevent) {
  constexpr std::string_view key = "DRIVER=";
  const auto start = uevent.starts_with(key) ? 0 : uevent.find("\nDRIVER=");
  if (start == std::string::npos) return {};
  const auto value = start + key.size() + (start == 0 ? 0 : 1);
  return uevent.substr(value, uevent.find('\n', value) - value);
}

std::string read_override(const RootDir& root, const std::string& dir) {
  auto text = root.text(dir + "/driver_override");
  return text == "(null)" ? std::string{} : text;
}

}  // namespace

PciFunction read_setup(const RootDir& root, PciAddress address) {
  const auto dir = device_dir(address);
  PciFunction f;
  f.address = address;
  f.present = root.exists(dir);
  if (!f.present) return f;
  f.driver = root.link_name(dir + "/driver");
  f.uevent_driver = uevent_driver(root.text(dir + "/uevent"));
  f.driver_override = read_override(root, dir);
  f.power_control = root.text(dir + "/power/control");
  if (const auto allowed = root.read(dir + "/d3cold_allowed")) f.d3cold_allowed = *allowed == "1";
  return f;
}

PciFunction read_function(const RootDir& root, PciAddress address) {
  auto f = read_setup(root, address);
  if (!f.present) return f;
  const auto dir = device_dir(address);
  f.id = read_identity(root, dir);
  f.vfio = f.driver == "vfio-pci" || root.exists(dir + "/vfio-dev");
  return f;
}

Snapshot read_functions(const RootDir& root, const Binding& binding) {
  Snapshot now;
  for (const auto& recorded : binding.functions) {
    auto f = read_function(root, recorded.address);
    if (f.present) now.functions.emplace(f.address, std::move(f));
  }
  return now;
}

std::string ids_in_config_space(const RootDir& root, PciAddress address) {
  const auto config = root.read(device_dir(address) + "/config", config_header).value_or("");
  if (config.size() < 4) return {};
  const auto byte = [&config](std::size_t i) { return static_cast<unsigned char>(config[i]); };
  return fmt::format("{:02x}{:02x}:{:02x}{:02x}", byte(1), byte(0), byte(3), byte(2));
}

Drivers registered_drivers(const RootDir& root) {
  Drivers drivers;
  for (const auto& name : root.list("sys/bus/pci/drivers"))
    drivers[name] = root.link_name(fmt::format("sys/bus/pci/drivers/{}/module", name));
  return drivers;
}

std::string boot_id(const RootDir& root) { return root.text("proc/sys/kernel/random/boot_id"); }

ProcessId process_id(const RootDir& root, int pid) {
  const auto stat = root.text(fmt::format("proc/{}/stat", pid));
  const auto after_name = stat.rfind(')');
  if (after_name == std::string::npos) return {pid, 0};
  std::istringstream fields{stat.substr(after_name + 1)};
  std::string skipped;
  char state{};
  fields >> state;
  if (state == 'Z' || state == 'X') return {pid, 0};  // ended; only its parent has not asked yet
  for (int field = 4; field < 22; ++field) fields >> skipped;
  ProcessId process{pid, 0};
  fields >> process.start_time;
  return process;
}

bool is_alive(const RootDir& root, const ProcessId& process) {
  return process.start_time != 0 && process_id(root, process.pid) == process;
}

}  // namespace gpuctl
