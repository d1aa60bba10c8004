// SPDX-License-Identifier: GPL-2.0-or-later
// What hangs on the functions of a fake machine: groups, device nodes, drivers, and what the host tells of
// itself.
#include <algorithm>
#include <system_error>

#include <fmt/format.h>

#include "support/fake_machine.hpp"

namespace gpuctl::test {
namespace {

namespace fs = std::filesystem;

constexpr auto msi_region = "0x00000000fee00000 0x00000000feefffff msi\n";

std::string group_dir(unsigned number) { return fmt::format("sys/kernel/iommu_groups/{}", number); }
std::string driver_dir(const std::string& name) { return "sys/bus/pci/drivers/" + name; }

bool is_vfio(const std::string& driver) {
  return driver == "vfio-pci" || driver.ends_with("-vfio-pci") || driver.ends_with("_vfio_pci");
}

}  // namespace

FakeMachine& FakeMachine::group(unsigned number, std::initializer_list<Address> functions,
                                const std::string& type) {
  const auto dir = group_dir(number);
  file(dir + "/type", type + "\n");
  if (!fs::exists(root_ / dir / "reserved_regions")) file(dir + "/reserved_regions", msi_region);
  mkdir(dir + "/devices");
  for (const auto address : functions) {
    link(fmt::format("{}/devices/{}", dir, address), directory(address));
    link(directory(address) + "/iommu_group", dir);
  }
  return *this;
}

FakeMachine& FakeMachine::reserved_regions(unsigned number, const std::string& lines) {
  return file(group_dir(number) + "/reserved_regions", lines);
}

FakeMachine& FakeMachine::group_name(unsigned number, const std::string& name) {
  return file(group_dir(number) + "/name", name + "\n");
}

FakeMachine& FakeMachine::device_link(Address consumer, Address supplier) {
  const auto link_dir = fmt::format("sys/devices/virtual/devlink/pci:{}--pci:{}", supplier, consumer);
  file(link_dir + "/status", "active\n");
  link(link_dir + "/consumer", directory(consumer));
  link(link_dir + "/supplier", directory(supplier));
  link(fmt::format("{}/supplier:pci:{}", directory(consumer), supplier), link_dir);
  return link(fmt::format("{}/consumer:pci:{}", directory(supplier), consumer), link_dir);
}

FakeMachine& FakeMachine::drm(Address address, int card, int render) {
  const auto node = [&](const std::string& name, int minor) {
    const auto dir = fmt::format("{}/drm/{}", directory(address), name);
    file(dir + "/dev", fmt::format("226:{}\n", minor));
    file(dir + "/uevent",
         fmt::format("MAJOR=226\nMINOR={}\nDEVNAME=dri/{}\nDEVTYPE=drm_minor\n", minor, name));
    link(dir + "/device", directory(address));
    link("sys/class/drm/" + name, dir);
  };
  node(fmt::format("card{}", card), card);
  if (render >= 0) node(fmt::format("renderD{}", render), render);
  return *this;
}

FakeMachine& FakeMachine::connector(Address address, int card, const std::string& name, bool connected,
                                    bool enabled) {
  const auto full = fmt::format("card{}-{}", card, name);
  const auto dir = fmt::format("{}/drm/card{}/{}", directory(address), card, full);
  file(dir + "/status", connected ? "connected\n" : "disconnected\n");
  file(dir + "/enabled", enabled ? "enabled\n" : "disabled\n");
  file(dir + "/dpms", enabled ? "On\n" : "Off\n");
  return link("sys/class/drm/" + full, dir);
}

FakeMachine& FakeMachine::sound(Address address, int card) {
  const auto dir = fmt::format("{}/sound/card{}", directory(address), card);
  const auto node = [&](const std::string& name, int minor) {
    file(fmt::format("{}/{}/dev", dir, name), fmt::format("116:{}\n", minor));
    link("sys/class/sound/" + name, fmt::format("{}/{}", dir, name));
  };
  file(dir + "/id", "NVidia\n");
  link(fmt::format("sys/class/sound/card{}", card), dir);
  node(fmt::format("controlC{}", card), 32 * card);
  node(fmt::format("pcmC{}D3p", card), 32 * card + 1);
  node(fmt::format("hwC{}D0", card), 32 * card + 2);
  return *this;
}

FakeMachine& FakeMachine::i2c(Address address, int bus) {
  const auto dir = fmt::format("{}/i2c-{}", directory(address), bus);
  file(dir + "/name", "NVIDIA i2c adapter\n");
  return file(fmt::format("{}/i2c-dev/i2c-{}/dev", dir, bus), fmt::format("89:{}\n", bus));
}

FakeMachine& FakeMachine::module(const std::string& name) {
  file(fmt::format("sys/module/{}/initstate", name), "live\n");
  return file(fmt::format("sys/module/{}/refcnt", name), "0\n");
}

FakeMachine& FakeMachine::driver(const std::string& name, std::string module_name) {
  if (fs::exists(root_ / driver_dir(name))) return *this;
  if (module_name.empty()) {
    module_name = name;
    std::ranges::replace(module_name, '-', '_');
  }
  module(module_name);
  for (const auto* attribute : {"bind", "unbind", "new_id", "remove_id"})
    file(driver_dir(name) + "/" + attribute, "");
  link(driver_dir(name) + "/module", "sys/module/" + module_name);
  return link(fmt::format("sys/module/{}/drivers/pci:{}", module_name, name), driver_dir(name));
}

FakeMachine& FakeMachine::bind(Address address, const std::string& name) {
  const auto dir = directory(address);
  unbind(address);
  driver(name);
  link(dir + "/driver", driver_dir(name));
  link(fmt::format("{}/{}", driver_dir(name), address), dir);
  write_uevent(dir, name);
  if (!is_vfio(name)) return *this;
  const auto number = next_vfio_++;
  return file(fmt::format("{}/vfio-dev/vfio{}/dev", dir, number), fmt::format("511:{}\n", number));
}

FakeMachine& FakeMachine::begin_unbind(Address address) {
  const auto dir = directory(address);
  std::error_code none;
  const auto name = fs::read_symlink(root_ / dir / "driver", none).filename().string();
  if (none) return *this;
  erase(fmt::format("{}/{}", driver_dir(name), address));
  return erase(dir + "/driver");
}

FakeMachine& FakeMachine::unbind(Address address) {
  begin_unbind(address);
  write_uevent(directory(address), "");
  return erase(directory(address) + "/vfio-dev");
}

FakeMachine& FakeMachine::set(Address address, const std::string& attribute, const std::string& text) {
  return file(fmt::format("{}/{}", directory(address), attribute), text);
}

FakeMachine& FakeMachine::take_away(Address address, const std::string& attribute) {
  return erase(fmt::format("{}/{}", directory(address), attribute));
}

FakeMachine& FakeMachine::fall_off_the_bus(Address address) {
  return set(address, "config", std::string(64, '\xff'));
}

FakeMachine& FakeMachine::iommu(const std::string& kind) {
  erase("sys/class/iommu");
  mkdir("sys/class/iommu");
  if (kind == "none") return *this;
  const auto name = kind == "intel" ? "dmar0" : kind == "amd" ? "ivhd0" : kind;
  const auto dir = "sys/devices/virtual/iommu/" + name;
  file(dir + "/uevent", "");
  return link("sys/class/iommu/" + name, dir);
}

FakeMachine& FakeMachine::cmdline(const std::string& text) { return file("proc/cmdline", text + "\n"); }

FakeMachine& FakeMachine::cpu_flags(const std::string& flags) {
  return file(
      "proc/cpuinfo",
      fmt::format("processor\t: 0\nmodel name\t: fake\nflags\t\t: {}\n\nprocessor\t: 1\nflags\t\t: {}\n\n",
                  flags, flags));
}

FakeMachine& FakeMachine::gpu_mux_mode(int mode) {
  return file("sys/devices/platform/asus-nb-wmi/gpu_mux_mode", fmt::format("{}\n", mode));
}

}  // namespace gpuctl::test
