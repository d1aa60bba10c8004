// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/home_binding.hpp"

#include <algorithm>
#include <cstdlib>

#include "inventory/declining_modules.hpp"
#include "inventory/kept_away_modules.hpp"
#include "inventory/module_aliases.hpp"
#include "operations/service_units.hpp"
#include "rebind/live_state.hpp"
#include "rebind/native_driver.hpp"
#include "rebind/saved_bindings.hpp"
#include "rebind/state_dir.hpp"

namespace gpuctl {
namespace {

Binding with_boot_id(Binding binding, const RootDir& root) {
  binding.boot_id = boot_id(root);
  return binding;
}

std::optional<Binding> saved_binding(const HomeFacts& facts) {
  StateDir dir(facts.platform.runtime_dir / "bindings");
  return SavedBindings(dir, boot_id(facts.root)).find(facts.gpu.slot());
}

/// A driver may have been installed since the GPU was first seen.
Snapshot with_modules_of_today(const HomeFacts& facts) {
  ModuleAliases aliases(facts.platform.modules_dir);
  Snapshot today;
  for (const auto address : facts.gpu.functions)
    if (const auto* function = facts.snapshot.find(address)) {
      auto& found = today.functions[address] = *function;
      if (auto modules = aliases.modules(modalias(found.id)); !modules.empty()) found.modules = modules;
      found.modules = without_declining(found.modules, found.id, facts.root);
    }
  return today;
}

/// Of a GPU that was on VFIO since boot: its parts of NVIDIA's driver that udev would have loaded when the
/// device was added, which it does not when it is bound. Without nvidia_drm it has no card for compositors.
void add_modules_beside(const HomeFacts& facts, const Snapshot& today, Binding& home) {
  const auto* display = today.find(facts.gpu.address);
  const auto* there = home.find(facts.gpu.address);
  const bool comes_home = display != nullptr && there != nullptr && there->driver != display->driver;
  if (!comes_home || facts.root.exists("sys/module/nvidia_drm")) return;
  add_missing(home.unloaded_modules,
              modules_beside(there->driver, display->modules, kept_away_modules(facts.platform.root)));
}

/// A record that says otherwise is stale then.
bool belongs_as_it_is(const HomeFacts& facts) {
  StateDir dir(facts.platform.runtime_dir / "bindings");
  return is_where_it_belongs(facts.gpu, facts.snapshot, SavedBindings(dir, boot_id(facts.root)));
}

/// After that what has no driver is not to have one.
bool is_booting(const RootDir& root) {
  constexpr double long_enough = 300;  // s
  const auto uptime = root.text("proc/uptime");
  return root.exists("run/udev/queue") && !uptime.empty() && std::atof(uptime.c_str()) < long_enough;
}

/// A VM that libvirt starts at boot may be earlier than udev: what has no driver then would have had one in a
/// moment. A driver that is there already has been asked.
Binding with_drivers_to_come(const HomeFacts& facts, Binding home) {
  if (!is_booting(facts.root)) return home;
  const auto today = with_modules_of_today(facts);
  const auto kept_away = kept_away_modules(facts.platform.root);
  for (auto& f : home.functions) {
    const auto* function = today.find(f.address);
    if (function == nullptr || !f.driver.empty() || !f.driver_override.empty()) continue;
    const auto native = native_driver(function->modules, facts.drivers, kept_away);
    if (native.kept_away || facts.drivers.contains(native.driver)) continue;
    f.driver = native.driver;
    f.module = native.module;
  }
  return home;
}

}  // namespace

Binding current_binding(const HomeFacts& facts) {
  return with_boot_id(record_binding(facts.gpu, facts.snapshot, facts.drivers), facts.root);
}

Binding home_binding(const HomeFacts& facts) {
  if (auto saved = saved_binding(facts)) return *saved;
  const auto today = with_modules_of_today(facts);
  auto home = native_binding(facts.gpu, today, facts.drivers, kept_away_modules(facts.platform.root));
  add_modules_beside(facts, today, home);
  return with_boot_id(std::move(home), facts.root);
}

Binding home_before_attach(const HomeFacts& facts) {
  return belongs_as_it_is(facts) ? with_drivers_to_come(facts, current_binding(facts)) : home_binding(facts);
}

}  // namespace gpuctl
