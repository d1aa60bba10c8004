// SPDX-License-Identifier: GPL-2.0-or-later
#include "support/fake_machine.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>

#include <fmt/format.h>

#include "os/unique_fd.hpp"

namespace gpuctl::test {
namespace {

namespace fs = std::filesystem;

constexpr auto bus = "sys/bus/pci";

PciAddress parsed(std::string_view text) {
  if (const auto address = PciAddress::parse(text)) return *address;
  throw std::logic_error(fmt::format("'{}' is no PCI address", text));
}

std::string modalias(const PciIdentity& id) {
  return fmt::format("pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}", id.vendor, id.device,
                     id.subsystem_vendor, id.subsystem_device, id.class_code >> 16,
                     (id.class_code >> 8) & 0xff, id.class_code & 0xff);
}

void put(std::string& config, std::size_t at, std::uint32_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) config[at + i] = static_cast<char>((value >> (8 * i)) & 0xff);
}

/// The first 64 bytes of config space (include/uapi/linux/pci_regs.h).
std::string config_space(const FakeFunction& f, bool bridge) {
  std::string config(64, '\0');
  put(config, 0x00, f.id.vendor, 2);
  put(config, 0x02, f.id.device, 2);
  put(config, 0x08, f.revision, 1);
  put(config, 0x09, f.id.class_code, 3);
  put(config, 0x0e, bridge ? 0x81 : 0x80, 1);
  if (!bridge) put(config, 0x2c, f.id.subsystem_vendor, 2);
  if (!bridge) put(config, 0x2e, f.id.subsystem_device, 2);
  return config;
}

PciIdentity companion_identity(const std::string& driver) {
  if (driver == "xhci_hcd") return {0x10de, 0x1ad8, 0x1043, 0x1ccc, 0x0c0330};
  if (driver == "nvidia-gpu") return {0x10de, 0x1ad9, 0x1043, 0x1ccc, 0x0c8000};
  return {0x10de, 0x2291, 0x1043, 0x1ccc, 0x040300};
}

}  // namespace

FakeMachine::FakeMachine() {
  auto pattern = (fs::temp_directory_path() / "gpuctl-machine-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
  root_ = pattern;
  for (const auto* dir :
       {"sys/bus/pci/devices", "sys/bus/pci/drivers", "sys/kernel/iommu_groups", "sys/class/iommu",
        "sys/class/drm", "sys/class/sound", "sys/module", "sys/devices/virtual/devlink", "proc"})
    mkdir(dir);
  for (const auto* name : {"drivers_probe", "drivers_autoprobe", "rescan"})
    file(fmt::format("{}/{}", bus, name), "");
  cmdline("BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet");
  cpu_flags("fpu vme");
}

FakeMachine::~FakeMachine() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

void FakeMachine::mkdir(const std::string& path) { fs::create_directories(root_ / path); }

FakeMachine& FakeMachine::file(const std::string& path, std::string_view contents) {
  const auto full = root_ / path;
  UniqueFd fd{::open(full.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
  if (!fd) {
    fs::create_directories(full.parent_path());
    fd = UniqueFd{::open(full.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
  }
  if (!fd || ::write(fd.get(), contents.data(), contents.size()) != static_cast<ssize_t>(contents.size()))
    throw std::runtime_error("cannot write " + full.string());
  return *this;
}

FakeMachine& FakeMachine::link(const std::string& path, const std::string& target) {
  const auto full = root_ / path;
  fs::create_directories(full.parent_path());
  fs::remove(full);
  fs::create_symlink(fs::path("/" + target).lexically_relative(fs::path("/" + path).parent_path()), full);
  return *this;
}

FakeMachine& FakeMachine::erase(const std::string& path) {
  fs::remove_all(root_ / path);
  return *this;
}

std::string FakeMachine::directory(Address address) const {
  const auto it = directories_.find(parsed(address));
  if (it == directories_.end()) throw std::logic_error(fmt::format("this machine has no {}", address));
  return it->second;
}

std::string FakeMachine::parent_directory(PciAddress address, const std::string& parent) const {
  if (!parent.empty()) return directory(parent);
  const auto bridge = latest_bridge_.find(address.domain);
  if (address.bus != 0 && bridge != latest_bridge_.end()) return directories_.at(bridge->second);
  return fmt::format("sys/devices/pci{:04x}:{:02x}", address.domain, address.bus);
}

void FakeMachine::write_uevent(const std::string& dir, const std::string& driver) {
  auto text = driver.empty() ? std::string{} : fmt::format("DRIVER={}\n", driver);
  UniqueFd fd{::open((root_ / dir / "uevent").c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 1024> old{};
  const auto length = fd ? ::read(fd.get(), old.data(), old.size()) : 0;
  const std::string_view before{old.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
  const auto rest = before.starts_with("DRIVER=") ? before.substr(before.find('\n') + 1) : before;
  file(dir + "/uevent", text.append(rest));
}

void FakeMachine::write_attributes(const std::string& dir, PciAddress address, const FakeFunction& f,
                                   bool bridge) {
  const auto attribute = [&](const char* name, const std::string& text) {
    file(fmt::format("{}/{}", dir, name), text + "\n");
  };
  attribute("vendor", fmt::format("0x{:04x}", f.id.vendor));
  attribute("device", fmt::format("0x{:04x}", f.id.device));
  attribute("subsystem_vendor", fmt::format("0x{:04x}", f.id.subsystem_vendor));
  attribute("subsystem_device", fmt::format("0x{:04x}", f.id.subsystem_device));
  attribute("class", fmt::format("0x{:06x}", f.id.class_code));
  attribute("revision", fmt::format("0x{:02x}", f.revision));
  attribute("modalias", modalias(f.id));
  attribute("driver_override", f.driver_override.empty() ? "(null)" : f.driver_override);
  attribute("power/control", f.power_control);
  attribute("power/runtime_status", f.runtime_status);
  if (!f.power_state.empty()) attribute("power_state", f.power_state);
  if (!f.reset_methods.empty()) attribute("reset_method", f.reset_methods);
  if (f.d3cold_allowed) attribute("d3cold_allowed", *f.d3cold_allowed ? "1" : "0");
  if (f.boot_vga || pci_class(f.id) == 0x0300) attribute("boot_vga", f.boot_vga.value_or(false) ? "1" : "0");
  if (!f.rom.empty()) file(dir + "/rom", f.rom);
  file(dir + "/config", config_space(f, bridge));
  file(dir + "/uevent", fmt::format("PCI_CLASS={:04X}\nPCI_ID={:04X}:{:04X}\nPCI_SUBSYS_ID={:04X}:{:04X}"
                                    "\nPCI_SLOT_NAME={}\nMODALIAS={}\n",
                                    f.id.class_code, f.id.vendor, f.id.device, f.id.subsystem_vendor,
                                    f.id.subsystem_device, address.str(), modalias(f.id)));
}

void FakeMachine::add(Address text, const FakeFunction& f, bool bridge) {
  const auto address = parsed(text);
  const auto dir = fmt::format("{}/{}", parent_directory(address, f.parent), address.str());
  mkdir(dir + "/power");
  directories_[address] = dir;
  write_attributes(dir, address, f, bridge);
  link(dir + "/subsystem", bus);
  link(fmt::format("{}/devices/{}", bus, address.str()), dir);
  if (!f.driver.empty()) bind(text, f.driver);
}

FakeMachine& FakeMachine::function(Address address, FakeFunction f) {
  add(address, f, false);
  return *this;
}

FakeMachine& FakeMachine::bridge(Address address, const std::string& driver, FakeFunction f) {
  if (f.id.class_code == 0) f.id = {0x8086, 0x1901, 0, 0, 0x060400};
  f.driver = driver;
  add(address, f, true);
  latest_bridge_[parsed(address).domain] = parsed(address);
  return *this;
}

FakeMachine& FakeMachine::gpu(Address address, FakeFunction f) {
  if (f.id.class_code == 0) f.id.class_code = 0x030000;
  return function(address, std::move(f));
}

FakeMachine& FakeMachine::companion(Address address, const std::string& driver, FakeFunction f) {
  if (f.id.class_code == 0) f.id = companion_identity(driver);
  f.driver = driver;
  return function(address, std::move(f));
}

FakeMachine& FakeMachine::unplug(Address text) {
  const auto dir = directory(text);
  unbind(text);
  const auto group = fs::path(dir) / "iommu_group";
  std::error_code none;
  const auto number = fs::read_symlink(root_ / group, none).filename().string();
  if (!none) erase(fmt::format("sys/kernel/iommu_groups/{}/devices/{}", number, text));
  erase(fmt::format("{}/devices/{}", bus, text));
  directories_.erase(parsed(text));
  return erase(dir);
}

}  // namespace gpuctl::test
