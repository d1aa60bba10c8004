// SPDX-License-Identifier: GPL-2.0-or-later
// What a PCI function shows in sysfs.
#include <fmt/format.h>

#include <cctype>
#include <cerrno>
#include <set>

#include "kernel.hpp"

namespace fakesys {

namespace {
std::string hex_line(unsigned value, int width) { return fmt::format("0x{:0{}x}\n", value, width); }
std::string modalias(const FunctionSpec& s) {
  return fmt::format("pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}", s.vendor, s.device,
                     s.subsystem_vendor, s.subsystem_device, s.class_code >> 16, (s.class_code >> 8) & 0xff,
                     s.class_code & 0xff);
}
}  // namespace

std::string Kernel::function_path(const FunctionSpec& spec) const {
  if (spec.parent.empty())
    return "/devices/pci" + spec.address.substr(0, spec.address.find(':') + 3) + "/" + spec.address;
  const auto parent = functions_.find(spec.parent);
  return (parent == functions_.end() ? "/devices/pci0000:00" : parent->second.path) + "/" + spec.address;
}

void Kernel::add_function(const FunctionSpec& spec, Lock&, bool autoprobe) {
  Function f;
  f.spec = spec;
  f.path = function_path(spec);
  f.power_control = autoprobe ? "on" : spec.power_control;
  f.reset_methods = spec.reset_methods;
  auto& kept = functions_[spec.address] = std::move(f);
  show_function(kept);
  emit("add", kept);
  if (autoprobe) {
    attach_any(kept);
  } else if (const auto driver = drivers_.find(spec.driver); driver != drivers_.end()) {
    probe(kept, driver->second);
    kept.power_control = spec.power_control;
    show_power(kept);
  }
}

void Kernel::remove_function(const std::string& address, Lock& lock) {
  if (!function(address) || !wait_device_lock(address, lock)) return;
  detach(address, lock);
  const auto* f = function(address);
  if (!f) return;
  emit("remove", *f);
  tree_.erase("/bus/pci/devices/" + address);
  tree_.erase(f->path);
  functions_.erase(address);
  show_groups();
}

void Kernel::show_function(Function& f) {
  const auto& s = f.spec;
  const auto at = [&](const char* name) { return f.path + "/" + name; };
  tree_.dir(f.path);
  tree_.file(at("vendor"), hex_line(s.vendor, 4));
  tree_.file(at("device"), hex_line(s.device, 4));
  tree_.file(at("subsystem_vendor"), hex_line(s.subsystem_vendor, 4));
  tree_.file(at("subsystem_device"), hex_line(s.subsystem_device, 4));
  tree_.file(at("class"), hex_line(s.class_code, 6));
  tree_.file(at("revision"), hex_line(s.revision, 2));
  tree_.file(at("modalias"), modalias(s) + "\n");
  tree_.file(at("irq"), "16\n");
  tree_.file(at("numa_node"), "-1\n", 0644);
  tree_.file(at("enable"), "1\n", 0644);
  tree_.file(at("config"), config_space(s), 0644);
  std::string resources;
  for (int i = 0; i < 13; ++i) resources += "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
  tree_.file(at("resource"), resources);
  if ((s.class_code >> 8) == 0x0300) tree_.file(at("boot_vga"), s.boot_vga ? "1\n" : "0\n");
  const auto address = s.address;
  tree_.file(at("driver_override"), "(null)\n", 0644,
             [this, address](std::string_view text, Lock&) { return set_override(address, text); });
  tree_.file(at("remove"), "", 0220, [this, address](std::string_view text, Lock& lock) {
    if (trimmed(text) == "0") return 0;
    if (!wait_device_lock(address, lock)) return -ENODEV;
    remove_function(address, lock);
    return 0;
  });
  tree_.file(at("rescan"), "", 0200, [this](std::string_view, Lock& lock) { return rescan(lock); });
  show_links(f);
  show_power(f);
  show_reset(f);
  show_rom(f);
  show_uevent(f);
}

void Kernel::show_links(Function& f) {
  tree_.link_to(f.path + "/subsystem", "/bus/pci");
  tree_.link_to("/bus/pci/devices/" + f.spec.address, f.path);
  if (f.spec.group >= 0)
    tree_.link_to(f.path + "/iommu_group", "/kernel/iommu_groups/" + std::to_string(f.spec.group));
  if (f.spec.supplier.empty()) return;
  const auto supplier = functions_.find(f.spec.supplier);
  if (supplier == functions_.end()) return;
  const auto device = "/devices/virtual/devlink/pci:" + f.spec.supplier + "--pci:" + f.spec.address;
  tree_.link_to(device + "/supplier", supplier->second.path);
  tree_.link_to(device + "/consumer", f.path);
  tree_.link_to(f.path + "/supplier:pci:" + f.spec.supplier, device);
  tree_.link_to(supplier->second.path + "/consumer:pci:" + f.spec.address, device);
}

void Kernel::show_power(Function& f) {
  const auto address = f.spec.address;
  tree_.file(
      f.path + "/power/control", f.power_control + "\n", 0644,
      [this, address](std::string_view text, Lock& lock) { return set_power_control(address, text, lock); });
  tree_.file(f.path + "/power/runtime_status", f.power_state == "D0" ? "active\n" : "suspended\n");
  tree_.file(f.path + "/power/runtime_usage", f.power_control == "on" ? "1\n" : "0\n");
  tree_.file(f.path + "/power_state", f.power_state + "\n");
  tree_.file(f.path + "/d3cold_allowed", f.d3cold_allowed + "\n", 0644,
             [this, address](std::string_view text, Lock&) {
               const auto value = trimmed(text);
               if (value != "0" && value != "1") return -EINVAL;
               auto* g = function(address);
               g->d3cold_allowed = value;
               tree_.set(g->path + "/d3cold_allowed", value + "\n");
               return 0;
             });
}

void Kernel::show_reset(Function& f) {
  if (f.spec.reset_methods.empty()) return;
  const auto address = f.spec.address;
  tree_.file(f.path + "/reset", "", 0200,
             [this, address](std::string_view text, Lock& lock) { return reset(address, text, lock); });
  tree_.file(f.path + "/reset_method", f.reset_methods + "\n", 0644,
             [this, address](std::string_view text, Lock&) {
               auto* g = function(address);
               g->reset_methods = trimmed(text) == "default" ? g->spec.reset_methods : trimmed(text);
               tree_.set(g->path + "/reset_method", g->reset_methods + "\n");
               return 0;
             });
}

/// The ROM reads as nothing until "1" is written (drivers/pci/pci-sysfs.c pci_read_rom: EINVAL).
void Kernel::show_rom(Function& f) {
  if (f.spec.rom.empty()) return;
  const auto address = f.spec.address;
  tree_.file(f.path + "/rom", "", 0600, [this, address](std::string_view text, Lock&) {
    auto* g = function(address);
    g->rom_enabled = trimmed(text) != "0";
    tree_.set(g->path + "/rom", g->rom_enabled ? g->spec.rom : "");
    return 0;
  });
}

std::vector<std::string> Kernel::environment(const Function& f) const {
  const auto& s = f.spec;
  std::vector<std::string> env;
  if (!f.uevent_driver.empty()) env.push_back("DRIVER=" + f.uevent_driver);
  env.push_back(fmt::format("PCI_CLASS={:04X}", s.class_code));
  env.push_back(fmt::format("PCI_ID={:04X}:{:04X}", s.vendor, s.device));
  env.push_back(fmt::format("PCI_SUBSYS_ID={:04X}:{:04X}", s.subsystem_vendor, s.subsystem_device));
  env.push_back("PCI_SLOT_NAME=" + s.address);
  env.push_back("MODALIAS=" + modalias(s));
  return env;
}

void Kernel::show_uevent(Function& f) {
  std::string text;
  for (const auto& line : environment(f)) text += line + "\n";
  const auto address = f.spec.address;
  tree_.file(f.path + "/uevent", text, 0644, [this, address](std::string_view action, Lock&) {
    const auto word = trimmed(action).substr(0, trimmed(action).find(' '));
    static const std::set<std::string> actions{"add",    "remove",  "change", "move",
                                               "online", "offline", "bind",   "unbind"};
    if (!actions.contains(word)) return -EINVAL;
    emit(word, *function(address));
    return 0;
  });
}

void Kernel::emit(const std::string& action, const Function& f) {
  if (!uevent_) return;
  auto env = environment(f);
  env.push_back("SUBSYSTEM=pci");
  uevent_(action, f.path, env);
}

void Kernel::show_groups() {
  tree_.erase("/kernel/iommu_groups");
  tree_.dir("/kernel/iommu_groups");
  for (const auto& [address, f] : functions_) {
    if (f.spec.group < 0) continue;
    const auto dir = "/kernel/iommu_groups/" + std::to_string(f.spec.group);
    const auto spec = machine_.groups.contains(f.spec.group) ? machine_.groups.at(f.spec.group) : GroupSpec{};
    tree_.link_to(dir + "/devices/" + address, f.path);
    tree_.file(dir + "/type", spec.type + "\n", 0644);
    if (!spec.name.empty()) tree_.file(dir + "/name", spec.name + "\n");
    std::string regions;
    for (const auto& region : spec.reserved) regions += region + "\n";
    tree_.file(dir + "/reserved_regions", regions);
  }
}

}  // namespace fakesys
