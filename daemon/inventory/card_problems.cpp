// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/card_problems.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "inventory/gpu_grouping.hpp"

namespace gpuctl {

std::string title(const PciFunction& function) {
  const auto& names = function.names;
  const auto kind =
      names.class_name.empty() ? fmt::format("class {:04x}", pci_class(function.id)) : names.class_name;
  const auto name =
      names.device.empty() ? function.id.ids() : fmt::format("{} {}", names.vendor, names.device);
  const auto driver = function.driver.empty() ? std::string{"no driver"} : "driver " + function.driver;
  return fmt::format("{} ({}: {}, {})", function.address.str(), kind, name, driver);
}

Problem blocker(std::string id, std::string subject, std::string message, std::string remedy) {
  return {std::move(id), Severity::blocker, std::move(subject), std::move(message), std::move(remedy)};
}

Problem warning(std::string id, std::string subject, std::string message, std::string remedy) {
  return {std::move(id), Severity::warning, std::move(subject), std::move(message), std::move(remedy)};
}

void append(Problems& all, Problems more) { std::ranges::move(more, std::back_inserter(all)); }

std::set<unsigned> group_numbers(const Gpu& gpu, const Snapshot& snapshot) {
  std::set<unsigned> numbers;
  for (const auto address : gpu.functions)
    if (const auto* function = snapshot.find(address); function != nullptr && function->iommu_group)
      numbers.insert(*function->iommu_group);
  return numbers;
}

namespace {

Problems ungrouped_problems(const PciFunction& function) {
  if (function.iommu_group) return {};
  return {blocker(
      "no-iommu-group", function.address.str(),
      fmt::format("{} is in no IOMMU group: the IOMMU does not cover it.", function.address.str()),
      "Check for a kernel argument that excludes devices from the IOMMU (intel_iommu=igfx_off), or use "
      "another slot.")};
}

/// A reset is named only where release would try one.
std::string gone_remedy(const Gpu& gpu, const Snapshot& snapshot) {
  const auto* display = snapshot.find(gpu.address);
  const auto slot = gpu.slot().str();
  const bool resets = display != nullptr && resets_alone(*display, gpu.functions.size() > 1);
  return fmt::format(
      "Try {}'gpuctl release {} --rescan'; then switch the machine off and on again. If it happens again "
      "after suspend or a VM, keep the GPU out of D3cold (d3cold_allowed=0).",
      resets ? fmt::format("'gpuctl release {} --reset'; if it does not help, ", slot) : "", slot);
}

Problems presence_problems(const PciFunction& function, const std::string& remedy) {
  if (function.present) return {};
  return {blocker(
      "gpu-gone", function.address.str(),
      fmt::format("{} no longer answers: its config space reads all ones (it fell off the bus, or its power "
                  "did not come back).",
                  function.address.str()),
      remedy)};
}

Problems stuck_problems(const PciFunction& function) {
  if (!function.driver.empty() || function.uevent_driver.empty()) return {};
  return {blocker("unbind-hangs", function.address.str(),
                  fmt::format("Driver {} has not let go of {} yet: something still holds the device.",
                              function.uevent_driver, function.address.str()),
                  "Close what uses the device (gpuctl users); if nothing is left, only a reboot helps.")};
}

Problems power_problems(const PciFunction& function) {
  if (function.runtime_status != "error" && function.power_state != "error") return {};
  return {warning("power-error", function.address.str(),
                  fmt::format("The kernel failed to change the power state of {}.", function.address.str()),
                  "A VM may find the device unusable; a reboot clears the state.")};
}

/// Who else sets overrides (driverctl, a boot script) would be surprised; release puts it back.
Problems override_problems(const PciFunction& function) {
  const auto& wanted = function.driver_override;
  if (wanted.empty() || wanted == function.driver || function.vfio) return {};
  return {Problem{"override-set", Severity::info, function.address.str(),
                  fmt::format("driver_override of {} is already \"{}\", set by somebody else.",
                              function.address.str(), wanted),
                  "It is put back on release."}};
}

Problems virtual_function_problems(const PciFunction& function) {
  if (function.virtual_functions == 0) return {};
  return {blocker("virtual-functions", function.address.str(),
                  fmt::format("{} has {} SR-IOV virtual functions enabled; vfio-pci refuses such a device.",
                              function.address.str(), function.virtual_functions),
                  fmt::format("Switch them off first: write 0 to /sys/bus/pci/devices/{}/sriov_numvfs.",
                              function.address.str()))};
}

Problems function_problems(const PciFunction& function, const Gpu& gpu, const Snapshot& snapshot) {
  Problems found;
  if (snapshot.host.iommu != "none") append(found, ungrouped_problems(function));
  append(found, presence_problems(function, gone_remedy(gpu, snapshot)));
  append(found, stuck_problems(function));
  append(found, virtual_function_problems(function));
  append(found, power_problems(function));
  append(found, override_problems(function));
  return found;
}

Problem reset_along(const PciFunction& function, PciSlot slot) {
  return {"foreign-in-slot", Severity::info, function.address.str(),
          fmt::format("Slot {} also holds {}, which goes to the same VM when that starts.", slot.str(),
                      title(function)),
          ""};
}

/// A further function of the slot that is no companion. In the GPU's own group foreign_problems() has it
/// already.
Problems slot_problems(const Gpu& gpu, const Snapshot& snapshot, const std::set<PciAddress>& along) {
  Problems found;
  const auto numbers = group_numbers(gpu, snapshot);
  const auto [first, last] = functions_in(snapshot.functions, gpu.slot());
  for (auto it = first; it != last; ++it) {
    const auto& function = it->second;
    const bool own = std::ranges::find(gpu.functions, it->first) != gpu.functions.end();
    if (own || function.physical_function || leaves_group_viable(function)) continue;
    if (function.iommu_group && numbers.contains(*function.iommu_group)) continue;
    if (along.contains(it->first)) {
      found.push_back(reset_along(function, gpu.slot()));
      continue;
    }
    found.push_back(
        blocker("foreign-in-slot", function.address.str(),
                fmt::format("Slot {} also holds {}, which would be reset together with the GPU.",
                            gpu.slot().str(), title(function)),
                fmt::format("Free {} of its driver if the host can do without it.", function.address.str())));
  }
  return found;
}

/// Without a driver (no module for this kernel, nomodeset) the console is on the firmware's framebuffer.
bool drives_a_display(const PciFunction& function) {
  return is_display(function.id) && !function.vfio &&
         (!function.driver.empty() || function.firmware_framebuffer);
}

bool has_console(const PciFunction& display) { return display.boot_vga && drives_a_display(display); }

Problems display_problems(const Gpu& gpu, const PciFunction& display, const Snapshot& snapshot) {
  Problems found;
  const auto address = display.address.str();
  if (has_console(display))
    found.push_back(blocker(
        "boot-display", address,
        fmt::format("{} is the display the machine booted with; the host's console is on it.", address),
        "Make another GPU the primary display in the firmware setup, or use --force if you reach this "
        "machine over the network."));
  for (const auto& connector : display.connectors)
    if (connector.enabled)
      found.push_back(
          blocker("display-in-use", address,
                  fmt::format("A screen of the host is lit by {} (connector {}).", address, connector.name),
                  "Plug the screen into another GPU, or switch that output off in the display settings."));
  if (snapshot.host.gpu_mux_mode == 0 && display.parent && !is_integrated(gpu, snapshot))
    found.push_back(
        blocker("mux-discrete", address,
                "The display switch (MUX) is set to the discrete GPU: the laptop's own screen would go dark.",
                "Set the GPU mode to hybrid (Optimus) in the firmware or the vendor's tool and reboot."));
  return found;
}

Problems reset_problems(const Gpu& gpu, const Snapshot& snapshot) {
  const auto* display = snapshot.find(gpu.address);
  if (display == nullptr || !display->reset_methods.empty()) return {};
  return {warning(
      "no-reset-method", gpu.address.str(),
      fmt::format("The kernel knows no way to reset {} alone; after a VM it may be unusable until a reboot.",
                  gpu.address.str()),
      "Shut the VM down properly each time; for some AMD cards the vendor-reset module adds a method.")};
}

Problems last_gpu_problems(const Gpu& gpu, const Snapshot& snapshot) {
  const bool another = std::ranges::any_of(snapshot.functions, [&](const auto& entry) {
    return entry.first.slot() != gpu.slot() && drives_a_display(entry.second);
  });
  const auto* display = snapshot.find(gpu.address);
  if (another || (display != nullptr && has_console(*display))) return {};
  return {
      warning("only-display", gpu.address.str(),
              fmt::format("No other GPU of this machine has a host driver: without {} it shows no picture.",
                          gpu.address.str()),
              "Make sure that you reach the machine over the network.")};
}

/// After a new kernel, whose module was not built, or by modprobe.d. A virtual machine can have it all the
/// same.
Problems driverless_problems(const Gpu& gpu, const Snapshot& snapshot) {
  const auto* display = snapshot.find(gpu.address);
  if (display == nullptr || !display->driver.empty()) return {};
  return {Problem{
      "no-host-driver", Severity::info, gpu.address.str(),
      fmt::format("{} has no driver: no module of the running kernel has taken it.", gpu.address.str()),
      "For the host to use it, its driver must be there for this kernel (dkms status) and not be "
      "blacklisted in modprobe.d."}};
}

Problems state_problems(const Gpu& gpu, const Snapshot& snapshot) {
  const auto state = bound_state(gpu, snapshot);
  if (is_at_home(gpu, snapshot)) return driverless_problems(gpu, snapshot);
  if (state == GpuState::mixed)
    return {
        warning("mixed-drivers", gpu.slot().str(),
                fmt::format("Some functions of {} are on a VFIO driver and some are not.", gpu.slot().str()),
                "Attaching moves the rest; gpuctl release brings all back to the host.")};
  if (state != GpuState::vm) return {};
  return {Problem{"already-on-vfio", Severity::info, gpu.slot().str(),
                  fmt::format("All functions of {} are on a VFIO driver already.", gpu.slot().str()), ""}};
}

}  // namespace

Problems card_problems(const Gpu& gpu, const Snapshot& snapshot, const std::set<PciAddress>& along) {
  Problems found;
  for (const auto address : gpu.functions)
    if (const auto* function = snapshot.find(address))
      append(found, function_problems(*function, gpu, snapshot));
  if (const auto* display = snapshot.find(gpu.address))
    append(found, display_problems(gpu, *display, snapshot));
  append(found, slot_problems(gpu, snapshot, along));
  append(found, reset_problems(gpu, snapshot));
  append(found, last_gpu_problems(gpu, snapshot));
  append(found, state_problems(gpu, snapshot));
  return found;
}

}  // namespace gpuctl
