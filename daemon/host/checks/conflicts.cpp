// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "host/checks/checks.hpp"
#include "host/host_state.hpp"
#include "host/text.hpp"

namespace gpuctl::checks {
namespace {

struct Rival {
  const char* id;
  const char* name;
  const char* program;  ///< installed when there
  const char* unit;     ///< at work when enabled; "" = no service of its own
  const char* does;
  const char* remedy;
};

constexpr Rival rivals[] = {
    {"supergfxd", "supergfxctl", "supergfxd", "supergfxd.service",
     "unloads and binds drivers of the discrete GPU by itself",
     "keep it in Hybrid mode (`supergfxctl -m Hybrid`), or `sudo systemctl disable --now supergfxd`"},
    {"optimus-manager", "optimus-manager", "optimus-manager", "optimus-manager.service",
     "loads and unloads the NVIDIA driver at login", "sudo systemctl disable --now optimus-manager"},
    {"cardwire", "cardwire", "cardwired", "cardwired.service",
     "hides GPUs from programs and may change them while gpuctl works",
     "let only one of the two change this GPU"},
    {"bumblebee", "Bumblebee", "bumblebeed", "bumblebeed.service",
     "switches the discrete GPU on and off through bbswitch", "sudo systemctl disable --now bumblebeed"},
    {"system76-power", "system76-power", "system76-power", "",
     "its graphics modes blacklist or load the NVIDIA driver at boot",
     "keep it in hybrid mode: `system76-power graphics hybrid`"},
    {"gpu-manager", "gpu-manager of Ubuntu", "gpu-manager", "gpu-manager.service",
     "chooses the host's GPU at boot from what it finds",
     "nothing to do, unless the desktop moves to the other GPU"},
};

/// Installed but not enabled does nothing, so it is worth one quiet line only.
void rival(const HostFacts& host, const Rival& r, Problems& found) {
  const auto path = host.program(r.program);
  if (path.empty()) return;
  const bool service = *r.unit != '\0';
  const bool enabled = service && host.unit_enabled(r.unit);
  const bool harmless = !enabled || std::string_view(r.id) == "gpu-manager";
  found.push_back({r.id, harmless ? Severity::info : Severity::warning, "/" + path,
                   fmt::format("{} is installed{}: it {}", r.name,
                               !service  ? ""
                               : enabled ? " and enabled"
                                         : ", but not enabled",
                               r.does),
                   harmless && service ? "" : r.remedy});
}

/// Anybody may have made a file of that name: it is envycontrol's beside its program or its rule.
void integrated_mode(const HostFacts& host, Problems& found) {
  const std::string blacklist = "etc/modprobe.d/blacklist-nvidia.conf";
  const auto left = left_by_envycontrol(host);
  if (!left.empty()) {
    found.push_back({"envycontrol", Severity::warning, "/" + left.front(),
                     "envycontrol's integrated mode blacklists NVIDIA and removes the GPU from the bus",
                     without_envycontrol(host)});
    return;
  }
  const auto blocking = blocking_lines(host.root, "nvidia");
  if (const auto line = std::ranges::find(blocking, blacklist, &ConfigLine::path); line != blocking.end())
    found.push_back({"nvidia-blacklisted", Severity::info, "/" + blacklist,
                     fmt::format("\"{}\" keeps the NVIDIA driver from being loaded by itself", line->text),
                     "remove that line if the host is to use the GPU when no VM has it"});
}

/// Files that tools of this kind leave behind, at work until they are removed.
void leftovers(const HostFacts& host, Problems& found) {
  integrated_mode(host, found);
  if (host.root.text("etc/modprobe.d/supergfxd.conf").find("options vfio-pci") != std::string::npos)
    found.push_back({"supergfxd-vfio-mode", Severity::warning, "/etc/modprobe.d/supergfxd.conf",
                     "supergfxctl is in VFIO mode: it gives the GPU to vfio-pci by id at every boot",
                     "supergfxctl -m Hybrid, then reboot"});
}

void removing_rules(const HostFacts& host, Problems& found) {
  for (const auto& [path, text] : udev_lines(host.root, "ATTR{remove}")) {
    if (path.ends_with("50-remove-nvidia.rules")) continue;  // envycontrol's, said above
    found.push_back({"udev-removes-functions", Severity::warning, "/" + path,
                     "a udev rule removes functions of graphics cards (old recipe for saving power): the "
                     "rest of the card "
                     "cannot be handed over whole",
                     without_udev_rule(path)});
    break;
  }
}

/// A hook that binds by itself would work against gpuctl, and a hook that calls libvirt deadlocks.
void libvirt_hook(const HostFacts& host, Problems& found) {
  std::string text;
  for (const auto& line : lines(host.root.text("etc/libvirt/hooks/qemu")))
    if (!trimmed(line).starts_with('#')) text += line + "\n";
  if (text.empty() || text.find("gpuctl") != std::string::npos) return;
  const bool dispatches = std::ranges::any_of(host.root.list("etc/libvirt/hooks/qemu.d"),
                                              [](const auto& name) { return name != "gpuctl"; });
  const bool binds = dispatches || text.find("nodedev-detach") != std::string::npos ||
                     text.find("vfio") != std::string::npos;
  if (!binds) return;
  found.push_back({"libvirt-hook", Severity::warning, "/etc/libvirt/hooks/qemu",
                   "a libvirt hook of an older set-up moves devices when VMs start and stop",
                   "remove it once gpuctl hands the GPU over: two movers end in a half-bound card"});
}

void mux(const HostFacts& host, Problems& found) {
  const auto mode = host.snapshot.host.gpu_mux_mode;
  if (!mode) return;
  const auto file = "/" + gpu_mux_file(host.root);
  if (*mode == 0)
    found.push_back(
        {"gpu-mux", Severity::blocker, file,
         "the MUX is in discrete mode: the laptop's panel hangs off the discrete GPU, and would go dark with "
         "it",
         fmt::format("switch to Optimus (hybrid) mode: `{}`, then reboot", host.program("supergfxctl").empty()
                                                                               ? "echo 1 | sudo tee " + file
                                                                               : "supergfxctl -m Hybrid")});
  else
    found.push_back({"gpu-mux", Severity::ok, file,
                     "the MUX is in Optimus (hybrid) mode: the panel hangs off the integrated GPU", ""});
}

}  // namespace

void conflicts(const HostFacts& host, Problems& found) {
  mux(host, found);
  for (const auto& r : rivals) rival(host, r, found);
  leftovers(host, found);
  removing_rules(host, found);
  libvirt_hook(host, found);
}

}  // namespace gpuctl::checks
