// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/compositor_remedies.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

namespace gpuctl {
namespace {

constexpr auto no_other_gpu =
    "Nothing else can show a picture here: stop the display manager from ssh or a text console (systemctl "
    "stop display-manager), attach with --force, and start it again when the GPU is back.";

/// Of Wayland: X draws by NVIDIA's own driver, and a login screen ends by itself.
bool uses_egl(const DeviceUser& user) {
  constexpr std::array names{"kwin_wayland", "gnome-shell", "mutter", "sway",     "wayfire",    "labwc",
                             "river",        "Hyprland",    "niri",   "Xwayland", "cosmic-comp"};
  return std::ranges::any_of(names, [&](std::string_view name) { return user.comm.starts_with(name); });
}

bool is_of_nvidia(const DeviceUser& user) {
  return user.node == NodeKind::nvidia || (user.node == NodeKind::nvidia_shared && !user.shared);
}

bool is_compositor(const DeviceUser& user) {
  return user.kind == HolderKind::compositor && user.owner.container.empty();
}

bool has_host_driver(const RootDir& root, PciAddress function) {
  const auto dir = "sys/bus/pci/devices/" + function.str();
  const auto driver = std::filesystem::path{root.link(dir + "/driver").value_or("")}.filename().string();
  return !driver.empty() && driver != "vfio-pci" && !root.exists(dir + "/vfio-dev");
}

bool holds_card(const DeviceUsers& users, pid_t pid) {
  return std::ranges::any_of(users, [&](const DeviceUser& user) { return user.pid == pid && is_card(user); });
}

std::string by_egl(const DeviceUser& user) {
  return fmt::format(
      "{} holds it by NVIDIA's EGL library alone: set "
      "__EGL_VENDOR_LIBRARY_FILENAMES=/usr/share/glvnd/egl_vendor.d/50_mesa.json in /etc/environment, and "
      "log out and in.",
      user.comm);
}

void name_gpu(std::string& remedy, PciAddress gpu) {
  constexpr std::string_view place = "OTHER-GPU";
  if (const auto at = remedy.find(place); at != std::string::npos)
    remedy.replace(at, place.size(), gpu.str());
}

}  // namespace

void fit_compositor_remedies(const RootDir& root, const GpuNodes& nodes, DeviceUsers& users) {
  if (std::ranges::none_of(users, is_compositor)) return;
  const auto others = other_gpus(root, nodes);
  const auto other = std::ranges::find_if(others, [&](PciAddress f) { return has_host_driver(root, f); });
  for (auto& user : users) {
    if (!is_compositor(user)) continue;
    if (other == others.end())
      user.remedy = no_other_gpu;
    else if (is_of_nvidia(user) && uses_egl(user) && !holds_card(users, user.pid))
      user.remedy = by_egl(user);
    else
      name_gpu(user.remedy, *other);
  }
}

}  // namespace gpuctl
