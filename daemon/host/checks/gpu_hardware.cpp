// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/checks/checks.hpp"
#include "host/pci_bars.hpp"

namespace gpuctl::checks {
namespace {

struct IdRange {
  std::uint16_t first, last;
};

/// AMD families that do not come back from a bus reset; the out-of-tree module vendor_reset knows how, since
/// Linux 5.15 where it is the first of reset_method only (gnif/vendor-reset, issue 46).
constexpr std::array reset_bug_ids{IdRange{0x67c0, 0x67ff}, IdRange{0x6980, 0x699f}, IdRange{0x6860, 0x687f},
                                   IdRange{0x69a0, 0x69af}, IdRange{0x66a0, 0x66af}, IdRange{0x7310, 0x731f},
                                   IdRange{0x7340, 0x734f}, IdRange{0x7360, 0x736f}};

bool has_reset_bug(const PciFunction& display) {
  const bool flr = std::ranges::find(display.reset_methods, "flr") != display.reset_methods.end();
  const auto device = display.id.device;
  return display.id.vendor == 0x1002 && !flr && std::ranges::any_of(reset_bug_ids, [&](const auto& r) {
           return device >= r.first && device <= r.last;
         });
}

void reset(const HostFacts& host, const PciFunction& display, Problems& found) {
  const auto subject = display.address.str();
  const bool bug = has_reset_bug(display);
  const auto& methods = display.reset_methods;
  const bool has_module = host.root.exists("sys/module/vendor_reset");
  const bool mends_it = has_module && (methods.empty() || methods.front() == "device_specific");
  if (bug && !mends_it && has_module) {
    found.push_back({"gpu-reset", Severity::warning, subject,
                     fmt::format("the module vendor_reset is loaded, but the kernel resets this GPU by: {}; "
                                 "after one VM the next start may hang until the host reboots",
                                 fmt::join(display.reset_methods, ", ")),
                     fmt::format("at every boot, as root: echo device_specific > "
                                 "/sys/bus/pci/devices/{}/reset_method",
                                 subject)});
  } else if (bug && !mends_it) {
    found.push_back({"gpu-reset", Severity::warning, subject,
                     "this AMD family does not reset properly: after one VM the next start may hang until "
                     "the host reboots",
                     "install the vendor-reset kernel module (DKMS), and at every boot write "
                     "device_specific to the GPU's reset_method"});
  } else if (display.reset_methods.empty()) {
    found.push_back({"gpu-reset", Severity::warning, subject,
                     "the kernel knows no way to reset this GPU (reset_method is empty): it may not work a "
                     "second time after a VM",
                     "update the firmware of card and board"});
  } else {
    found.push_back({"gpu-reset", Severity::ok, subject,
                     fmt::format("can be reset: {}", fmt::join(display.reset_methods, ", ")), ""});
  }
}

void rom(const PciFunction& display, Problems& found) {
  const auto subject = display.address.str();
  if (display.has_rom)
    found.push_back(
        {"gpu-rom", Severity::ok, subject, "has a ROM BAR: a VM's firmware finds its graphics ROM", ""});
  else
    found.push_back({"gpu-rom", Severity::info, subject,
                     "has no ROM BAR: usual for GPUs of laptops, whose graphics ROM is part of the system "
                     "firmware; Windows "
                     "and Linux drivers mostly work without it",
                     fmt::format("if the guest's driver does not start: `gpuctl vm setup VM --rom {}`",
                                 display.id.vendor == 0x1002 ? "auto" : "FILE")});
}

std::string bar_text(const PciBar& bar) {
  if (bar.possible_sizes.empty()) return fmt::format("BAR {} {}", bar.number, size_text(bar.size));
  return fmt::format("BAR {} {} (resizable, {} to {})", bar.number, size_text(bar.size),
                     size_text(bar.possible_sizes.front()), size_text(bar.possible_sizes.back()));
}

void bars(const HostFacts& host, const PciFunction& display, Problems& found) {
  const auto all = read_bars(host.root, display.address);
  if (all.empty()) return;
  const auto subject = display.address.str();
  std::vector<std::string> texts;
  std::ranges::transform(all, std::back_inserter(texts), bar_text);
  const bool unassigned = std::ranges::any_of(all, [](const auto& bar) { return bar.start == 0; });
  if (unassigned) {
    found.push_back({"gpu-bars", Severity::blocker, subject,
                     fmt::format("firmware gave a BAR no address ({}): the GPU cannot be used at all",
                                 fmt::join(texts, ", ")),
                     "switch on \"Above 4G Decoding\" in the firmware setup"});
    return;
  }
  const bool large =
      std::ranges::any_of(all, [](const auto& bar) { return bar.size > (std::uint64_t{8} << 30U); });
  found.push_back(
      {"gpu-bars", large ? Severity::info : Severity::ok, subject, fmt::format("{}", fmt::join(texts, ", ")),
       large ? "the VM's firmware must map that much: CPU mode host-passthrough and OVMF of 2022 or later"
             : ""});
}

void power(const HostFacts& host, const PciFunction& display, Problems& found) {
  const auto subject = display.address.str();
  if (!display.present) {
    found.push_back(
        {"gpu-power", Severity::blocker, subject,
         "does not answer: its config space reads all ones (fallen off the bus, or stuck in D3cold)",
         "power the machine off and on; if it comes again, try the kernel argument pcie_port_pm=off"});
    return;
  }
  const auto state = display.power_state.empty() ? "unknown" : display.power_state;
  const bool disable_idle_d3 = host.root.text("sys/module/vfio_pci/parameters/disable_idle_d3") == "Y";
  found.push_back(
      {"gpu-power", Severity::ok, subject,
       fmt::format("power state {}, runtime power management {}{}", state,
                   display.power_control == "auto" ? "on" : "off",
                   disable_idle_d3 ? "; vfio-pci keeps idle devices awake (disable_idle_d3)" : ""),
       ""});
}

/// Old RTD3 recipes remove the audio function by udev; the device then is single though multifunction.
void companions(const HostFacts& host, const Gpu& gpu, const PciFunction& display, Problems& found) {
  if (display.id.vendor != 0x10de || gpu.functions.size() > 1) return;
  const auto rules = udev_lines(host.root, "ATTR{remove}");
  if (rules.empty()) return;
  found.push_back(
      {"gpu-companions", Severity::warning, gpu.address.str(),
       fmt::format("its audio function is not there; a udev rule removes such functions (/{})",
                   rules.front().path),
       fmt::format("take the rule away (`sudo rm /{}` or mask it in /etc/udev/rules.d) and reboot",
                   rules.front().path)});
}

}  // namespace

void gpu_hardware(const HostFacts& host, const Gpu& gpu, Problems& found) {
  const auto* display = host.snapshot.find(gpu.address);
  if (display == nullptr) return;
  power(host, *display, found);
  reset(host, *display, found);
  rom(*display, found);
  bars(host, *display, found);
  companions(host, gpu, *display, found);
}

}  // namespace gpuctl::checks
