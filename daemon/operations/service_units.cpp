// SPDX-License-Identifier: GPL-2.0-or-later
#include "operations/service_units.hpp"

#include <algorithm>

#include "os/bound_functions.hpp"
#include "rebind/journal.hpp"
#include "rebind/live_state.hpp"
#include "rebind/saved_bindings.hpp"

namespace gpuctl {
namespace {

bool others_have(const Gpu& gpu, const std::string& driver, const RootDir& root) {
  return std::ranges::any_of(bound_to(root, driver), [&](PciAddress function) {
    return std::ranges::find(gpu.functions, function) == gpu.functions.end();
  });
}

/// Other GPUs that are away, and belong to this driver.
std::vector<Binding> others_away(const Gpu& gpu, const std::string& driver, const RootDir& root,
                                 const Platform& platform) {
  StateDir dir(platform.runtime_dir / "bindings");
  auto others = SavedBindings(dir, boot_id(root)).all();
  std::erase_if(others, [&](const Binding& other) {
    const auto* display = other.find(other.gpu);
    return other.slot() == gpu.slot() || display == nullptr || display->driver != driver;
  });
  return others;
}

/// Those of the system manager, by the kernel.
bool runs(const std::string& unit, const RootDir& root) {
  const auto events = root.text("sys/fs/cgroup/system.slice/" + unit + "/cgroup.events");
  return events.find("populated 1") != std::string::npos;
}

bool moves_now(const Binding& other, const Platform& platform) {
  StateDir dir(platform.runtime_dir / "journal");
  return JournalStore(dir).has(other.slot());
}

/// Units that had to let go of the others: whoever took one of these has started them again, or does so now,
/// and they open this GPU too.
std::vector<std::string> stopped_for(const std::vector<Binding>& others, const RootDir& root,
                                     const Platform& platform) {
  const auto policy = quiesce_policy(platform.config);
  std::vector<std::string> units;
  for (const auto& other : others)
    for (const auto& unit : other.stopped_units)
      if (may_stop(policy, unit) && (moves_now(other, platform) || runs(unit, root)))
        add_missing(units, {unit});
  return units;
}

}  // namespace

QuiescePolicy quiesce_policy(const Config& config) {
  return {config.quiesce.stop_units, config.quiesce.drm_remove, config.quiesce.unload_modules};
}

ServiceUnits service_units(const Gpu& gpu, const std::string& driver, const std::vector<std::string>& holding,
                           const RootDir& root, const Platform& platform) {
  ServiceUnits units{holding, {}};
  if (driver.empty()) return units;
  const auto others = others_away(gpu, driver, root, platform);
  add_missing(units.stop, stopped_for(others, root, platform));
  const bool one_comes =
      std::ranges::any_of(others, [&](const auto& other) { return moves_now(other, platform); });
  if (one_comes || others_have(gpu, driver, root)) units.start = units.stop;
  return units;
}

void add_missing(std::vector<std::string>& to, const std::vector<std::string>& more) {
  for (const auto& each : more)
    if (std::ranges::find(to, each) == to.end()) to.push_back(each);
}

}  // namespace gpuctl
