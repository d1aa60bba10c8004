// SPDX-License-Identifier: GPL-2.0-or-later
// Modules, drivers, and binding: drivers/base/bus.c, drivers/base/dd.c, drivers/pci/pci-driver.c.
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cerrno>

#include "kernel.hpp"

namespace fakesys {

void Kernel::show_statics() {
  for (const char* dir : {"/bus/pci/devices", "/bus/pci/drivers", "/bus/pci/slots", "/kernel/iommu_groups",
                          "/module", "/class/drm", "/class/sound", "/fs/cgroup"})
    tree_.dir(dir);
  tree_.file("/bus/pci/drivers_probe", "", 0200,
             [this](std::string_view text, Lock&) { return drivers_probe(text); });
  tree_.file("/bus/pci/rescan", "", 0200, [this](std::string_view, Lock& lock) { return rescan(lock); });
  tree_.file("/bus/pci/drivers_autoprobe", "1\n", 0644);
  for (const auto& [path, text] : machine_.files) tree_.file("/" + path, text);
  for (const auto& [path, target] : machine_.links) tree_.link("/" + path, target);
  for (const auto& module : machine_.modules)
    if (module.loaded || module.builtin) show_module(module);
  for (const auto& driver : machine_.drivers)
    if (driver.module.empty() || loaded_.contains(driver.module)) register_driver(driver);
}

void Kernel::show_module(const ModuleSpec& module) {
  const auto dir = "/module/" + module.name;
  loaded_.insert(module.name);
  tree_.dir(dir);
  for (const auto& [name, value] : module.parameters)
    tree_.file(dir + "/parameters/" + name, value + "\n", 0644);
  if (!module.version.empty()) tree_.file(dir + "/version", module.version + "\n");
  if (module.builtin) return;
  tree_.file(dir + "/initstate", "live\n");
  tree_.file(dir + "/refcnt", "0\n");
  tree_.dir(dir + "/holders");
}

void Kernel::register_driver(const DriverSpec& spec) {
  const auto dir = "/bus/pci/drivers/" + spec.name;
  const auto name = spec.name;
  drivers_[name] = {spec, {}};
  tree_.dir(dir);
  tree_.file(dir + "/bind", "", 0200,
             [this, name](std::string_view text, Lock& lock) { return bind(name, text, lock); });
  tree_.file(dir + "/unbind", "", 0200,
             [this, name](std::string_view text, Lock& lock) { return unbind(name, text, lock); });
  tree_.file(dir + "/new_id", "", 0200,
             [this, name](std::string_view text, Lock&) { return new_id(name, text); });
  tree_.file(dir + "/remove_id", "", 0200, [this, name](std::string_view, Lock&) {
    drivers_.at(name).dynamic_ids.clear();
    return 0;
  });
  if (spec.module.empty()) return;
  tree_.link_to(dir + "/module", "/module/" + spec.module);
  tree_.link_to("/module/" + spec.module + "/drivers/pci:" + name, dir);
}

void Kernel::unregister_driver(const std::string& name, Lock& lock) {
  std::vector<std::string> bound;
  for (const auto& [address, f] : functions_)
    if (f.driver == name) bound.push_back(address);
  for (const auto& address : bound) detach(address, lock);
  tree_.erase("/bus/pci/drivers/" + name);
  drivers_.erase(name);
}

int Kernel::load_module(const std::string& name, Lock& lock) {
  if (loaded_.contains(name)) return 0;
  const auto module = std::find_if(machine_.modules.begin(), machine_.modules.end(),
                                   [&](const auto& m) { return m.name == name; });
  if (module == machine_.modules.end()) return -ENOENT;
  for (const auto& needed : module->depends) load_module(needed, lock);
  show_module(*module);
  for (const auto& driver : machine_.drivers) {
    if (driver.module != name) continue;
    register_driver(driver);
    for (auto& [address, f] : functions_)
      if (f.driver.empty() && !f.removing && matches(drivers_.at(driver.name), f))
        probe(f, drivers_.at(driver.name));
  }
  if (!module->needs_device || drives_a_function(name)) return 0;
  unload_module(name, lock);
  return -ENODEV;
}

bool Kernel::drives_a_function(const std::string& module) const {
  return std::any_of(functions_.begin(), functions_.end(), [&](const auto& entry) {
    const auto driver = drivers_.find(entry.second.driver);
    return driver != drivers_.end() && driver->second.spec.module == module;
  });
}

/// Another module has the devices of this driver open (nvidia_drm with modeset=1, before nvidia 580.105.08).
bool Kernel::is_pinned(const std::string& driver) const {
  return std::any_of(machine_.modules.begin(), machine_.modules.end(), [&](const auto& module) {
    return module.pins == driver && loaded_.contains(module.name);
  });
}

int Kernel::unload_module(const std::string& name, Lock& lock) {
  if (!loaded_.contains(name)) return -ENOENT;
  for (const auto& module : machine_.modules)
    if (loaded_.contains(module.name) && std::count(module.depends.begin(), module.depends.end(), name))
      return -EBUSY;
  for (const auto& driver : machine_.drivers)
    if (driver.module == name) unregister_driver(driver.name, lock);
  loaded_.erase(name);
  tree_.erase("/module/" + name);
  changed_.notify_all();
  return 0;
}

Function* Kernel::function(std::string_view address) {
  const auto f = functions_.find(trimmed(address));
  return f == functions_.end() ? nullptr : &f->second;
}

bool Kernel::matches(const Driver& driver, const Function& f) const {
  if (!f.override_.empty()) return f.override_ == driver.spec.name;
  const auto id = fmt::format("{:04x}:{:04x}:{:06x}", f.spec.vendor, f.spec.device, f.spec.class_code);
  const auto fits = [&](const std::string& pattern) { return fnmatch(pattern.c_str(), id.c_str(), 0) == 0; };
  if (std::any_of(driver.dynamic_ids.begin(), driver.dynamic_ids.end(), fits)) return true;
  return !driver.spec.override_only && std::any_of(driver.spec.match.begin(), driver.spec.match.end(), fits);
}

int Kernel::probe(Function& f, Driver& driver) {
  const auto error = probe_errors_.find({driver.spec.name, f.spec.address});
  if (error != probe_errors_.end()) return -error->second;
  if (driver.spec.vfio && (f.spec.group < 0 || f.spec.bridge)) return -EINVAL;
  const bool own_dma = !driver.spec.vfio && !driver.spec.managed_dma;
  if (own_dma && owned_groups_.contains(f.spec.group)) return -EBUSY;
  f.driver = f.uevent_driver = driver.spec.name;
  tree_.link_to(f.path + "/driver", "/bus/pci/drivers/" + f.driver);
  tree_.link_to("/bus/pci/drivers/" + f.driver + "/" + f.spec.address, f.path);
  if (driver.spec.vfio) {  // vfio_pci_core_register_device: pm_runtime_allow, then the idle device goes to D3
    f.power_control = "auto";
    f.power_state = "D3hot";
  } else {
    f.power_state = "D0";
  }
  show_class_devices(f, driver);
  show_power(f);
  show_uevent(f);
  emit("bind", f);
  return 0;
}

int Kernel::attach_any(Function& f) {
  if (!f.driver.empty() || f.removing) return 0;
  for (auto& [name, driver] : drivers_)
    if (matches(driver, f) && probe(f, driver) == 0) return 0;
  return 0;
}

/// driver_detach: the driver link goes when remove() starts, DRIVER= when it has ended; the device lock is
/// held throughout.
void Kernel::detach(const std::string& address, Lock& lock) {
  auto* f = function(address);
  if (!f || f->driver.empty()) return;
  const auto name = f->driver;
  const auto spec = drivers_.at(name).spec;
  f->removing = true;
  tree_.erase(f->path + "/driver");
  tree_.erase("/bus/pci/drivers/" + name + "/" + address);
  f->driver.clear();
  const bool vfio_user = spec.vfio && owned_groups_.contains(f->spec.group);
  changed_.wait(lock, [&] {
    return !hanging_removes_.contains(name) && !is_pinned(name) &&
           !(vfio_user && owned_groups_.contains(f->spec.group));
  });
  f->removing = false;
  f->uevent_driver.clear();
  f->power_state = "D0";
  if (spec.vfio) f->power_control = "on";  // pm_runtime_forbid
  hide_class_devices(*f);
  show_power(*f);
  show_uevent(*f);
  emit("unbind", *f);
  changed_.notify_all();
}

/// What takes the device lock waits while remove() holds it. False: the device went meanwhile.
bool Kernel::wait_device_lock(const std::string& address, Lock& lock) {
  changed_.wait(lock, [&] {
    const auto* f = function(address);
    return !f || !f->removing;
  });
  return function(address) != nullptr;
}

int Kernel::bind(const std::string& name, std::string_view text, Lock& lock) {
  auto* f = function(text);
  if (!f || !drivers_.contains(name)) return -ENODEV;
  if (!matches(drivers_.at(name), *f)) return -ENODEV;
  if (!wait_device_lock(f->spec.address, lock)) return -ENODEV;
  if (!f->driver.empty()) return -EBUSY;
  return probe(*f, drivers_.at(name));
}

int Kernel::unbind(const std::string& name, std::string_view text, Lock& lock) {
  auto* f = function(text);
  if (!f || f->driver != name) return -ENODEV;
  detach(f->spec.address, lock);
  return 0;
}

/// Says success whatever the probe did, and does nothing while remove() runs.
int Kernel::drivers_probe(std::string_view text) {
  auto* f = function(text);
  return f ? attach_any(*f) : -ENODEV;
}

int Kernel::new_id(const std::string& name, std::string_view text) {
  const auto words = trimmed(text);
  const auto space = words.find(' ');
  if (space == std::string::npos) return -EINVAL;
  auto& driver = drivers_.at(name);
  driver.dynamic_ids.push_back(words.substr(0, space) + ":" + words.substr(space + 1, 4) + ":*");
  for (auto& [address, f] : functions_)
    if (f.driver.empty() && !f.removing && matches(driver, f)) probe(f, driver);
  return 0;
}

int Kernel::set_override(const std::string& address, std::string_view text) {
  if (text.size() >= 4095) return -EINVAL;
  auto* f = function(address);
  f->override_ = std::string(text.substr(0, text.find('\n')));
  tree_.set(f->path + "/driver_override", (f->override_.empty() ? "(null)" : f->override_) + "\n");
  return 0;
}

int Kernel::set_power_control(const std::string& address, std::string_view text, Lock& lock) {
  const auto value = trimmed(text);
  if (value != "on" && value != "auto") return -EINVAL;
  if (!wait_device_lock(address, lock)) return -ENODEV;
  auto* f = function(address);
  f->power_control = value;
  if (value == "on") f->power_state = "D0";
  tree_.set(f->path + "/power/control", value + "\n");
  tree_.set(f->path + "/power_state", f->power_state + "\n");
  tree_.set(f->path + "/power/runtime_status", f->power_state == "D0" ? "active\n" : "suspended\n");
  return 0;
}

int Kernel::reset(const std::string& address, std::string_view text, Lock& lock) {
  if (trimmed(text) != "1") return -EINVAL;
  if (!wait_device_lock(address, lock)) return -ENODEV;
  auto* f = function(address);
  if (!f->present || f->reset_methods.empty()) return -ENOTTY;
  ++f->resets;
  return 0;
}

int Kernel::rescan(Lock& lock) {
  for (const auto& spec : machine_.functions)
    if (!functions_.contains(spec.address) && !unplugged_.contains(spec.address))
      add_function(spec, lock, true);
  show_groups();
  return 0;
}

}  // namespace fakesys
