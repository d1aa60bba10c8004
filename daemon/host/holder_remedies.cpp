// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/holder_remedies.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace gpuctl {
namespace {

/// Numbers of cards change from boot to boot, and paths of /dev/dri/by-path have colons, at which lists of
/// cards are taken apart. fit_compositor_remedies() fills in which GPU.
#define NAME_OTHER_CARD                                                                \
  "give the other GPU's card a name that stays, by the udev rule SUBSYSTEM==\"drm\", " \
  "KERNEL==\"card*\", KERNELS==\"OTHER-GPU\", SYMLINK+=\"dri/host-gpu\", "

/// To add a program: its name(s), what it is, what to do. The first row that fits counts.
constexpr std::array holders{
    // Those that keep copies of other programs' descriptors.
    Holder{"systemd-logind|elogind|seatd", HolderKind::login_manager,
           "Nothing to do: it closes the device when the session's compositor or the device has gone."},
    Holder{"systemd-udevd|udevd|(udev-worker)", HolderKind::login_manager,
           "Nothing to do: it has looked in a moment."},

    // Compositors and display servers.
    Holder{"kwin_wayland|kwin_wayland_wr|kwin_x11", HolderKind::compositor,
           "Let KWin start without this card: " NAME_OTHER_CARD
           "set KWIN_DRM_DEVICES=/dev/dri/host-gpu in /etc/environment, and log out and in. KWin ends if its "
           "primary GPU is taken away."},
    Holder{"gnome-shell|gnome-shell-wr*|mutter*|gnome-kiosk|gala|budgie-wm|cinnamon|muffin",
           HolderKind::compositor,
           "mutter never lets go of a card while it runs: tag it with the udev rule "
           "ENV{ID_PATH}==\"pci-{function}\", "
           "SUBSYSTEM==\"drm\", TAG+=\"mutter-device-ignore\", and log out and in."},
    Holder{"Hyprland|hyprland|.Hyprland-wrapp*", HolderKind::compositor,
           "Let Hyprland start without this card: " NAME_OTHER_CARD
           "set AQ_DRM_DEVICES=/dev/dri/host-gpu, and log out and in."},
    Holder{"sway|wayfire|labwc|river|dwl|cage|weston|miriway", HolderKind::compositor,
           "Let the compositor start without this card: " NAME_OTHER_CARD
           "set WLR_DRM_DEVICES=/dev/dri/host-gpu, and log out and in."},
    Holder{"niri", HolderKind::compositor,
           "Let niri start without this card: name it under debug { ignore-drm-device \"...\" } in its "
           "configuration, and "
           "log out and in."},
    Holder{"cosmic-comp", HolderKind::compositor,
           "Let cosmic-comp start without this card: set COSMIC_RENDER_DEVICE to the other GPU's render "
           "node, and log "
           "out and in."},
    Holder{"Xorg|X|Xorg.bin|Xwayland", HolderKind::compositor,
           "Keep X off this card: a file in /etc/X11/xorg.conf.d with Section \"ServerFlags\" Option "
           "\"AutoAddGPU\" "
           "\"off\" EndSection, and no Device section for it; then log out and in. Xwayland follows its "
           "compositor."},
    Holder{"gamescope|gamescope-wl|gamescopereaper", HolderKind::compositor, "Leave the gamescope session."},
    Holder{"sddm|sddm-greeter*|gdm*|lightdm*|greetd|plasmalogin*|ly-dm|plymouthd", HolderKind::compositor,
           "The login screen draws on this card: log in (it ends then), or configure it as the desktop's "
           "compositor."},

    // NVIDIA's own.
    Holder{"nvidia-persistenced", HolderKind::service,
           "gpuctl stops it for the move. By hand: systemctl stop nvidia-persistenced.service"},
    Holder{"nvidia-powerd", HolderKind::service,
           "gpuctl stops it for the move. By hand: systemctl stop nvidia-powerd.service"},
    Holder{"nv-hostengine|dcgm-exporter", HolderKind::service, "Stop NVIDIA's monitor: {stop}"},
    Holder{"nv-fabricmanager", HolderKind::driver_service,
           "It connects all the GPUs of this machine; when none of them computes: systemctl stop "
           "nvidia-fabricmanager.service"},
    Holder{"nvidia-vgpu-mgr|nvidia-vgpud", HolderKind::driver_service,
           "It serves the VMs that have a part of a GPU: shut those down, then stop it: {stop}"},
    Holder{"nvidia-settings|nvidia-smi", HolderKind::program,
           "Close {comm} (it holds the GPU while it runs)."},

    // Watchers and tuners.
    Holder{"lact|lact-daemon|lactd", HolderKind::service,
           "Stop LACT, which watches the GPU: systemctl stop lactd.service"},
    Holder{"corectrl_helper|corectrl", HolderKind::service, "Quit CoreCtrl; its helper ends with it."},
    Holder{"coolercontrold|coolercontrol*", HolderKind::service,
           "Stop CoolerControl: systemctl stop coolercontrold.service"},
    Holder{"gwe|tuxclocker*|nvfancontrol|fancontrol", HolderKind::program,
           "Quit {comm}: it watches the GPU."},
    Holder{"nvtop|btop|nvitop|gpustat|amdgpu_top|radeontop|intel_gpu_top|glances|htop|mangohud|missioncenter|"
           "missioncenter-m*|resources|plasma-systemmo*|ksystemstats|gnome-system-mo*|conky|netdata|telegraf|"
           "beszel*|"
           "node_exporter|prometheus-nvi*",
           HolderKind::program, "Quit {comm}: it shows GPU load, and holds the GPU to do so."},
    Holder{"org_kde_powerde*|powerdevil|ddcutil|ddcui|gddccontrol", HolderKind::program,
           "It sets monitor brightness over this GPU's I2C bus: systemctl --user stop "
           "plasma-powerdevil.service, or set "
           "POWERDEVIL_NO_DDCUTIL=1 for it; quit ddcutil."},
    Holder{
        "openrgb|OpenRGB*", HolderKind::program,
        "OpenRGB holds this GPU's I2C bus for its lights: quit it, or switch the card off in its settings."},
    Holder{"ratbagd|fwupd|boltd|upowerd|power-profiles-*|switcheroo-con*", HolderKind::service,
           "Stop it: {stop}"},

    // Sound.
    Holder{"pipewire|pipewire-pulse|wireplumber|pipewire-media*|pulseaudio|alsactl", HolderKind::audio_server,
           "Nothing to do: it closes the card when it goes."},

    // Machine learning, video, games, browsers.
    Holder{"ollama|ollama_llama_s*|llama-server|llama-cli|koboldcpp|lms|LM Studio", HolderKind::service,
           "Stop the language model: ollama stop MODEL, or {stop}"},
    Holder{"python|python3*|jupyter*|comfyui|invokeai*", HolderKind::program,
           "A Python program computes on the GPU: let {comm} (pid {pid}) end, or stop it."},
    Holder{"steam|steamwebhelper|reaper|wineserver|wine64*|pressure-vessel|gameoverlayui",
           HolderKind::program, "Quit Steam and the game (Steam itself keeps the GPU open)."},
    Holder{"obs|obs-ffmpeg-mux|ffmpeg|sunshine|kdenlive|blender|davinci|resolve|mpv|vlc|HandBrake*|jellyfin*|"
           "Plex Transcoder|handbrake*",
           HolderKind::program, "Close {comm}: it draws, encodes or decodes on the GPU."},
    Holder{
        "chrome|chromium|chromium-browse|brave|msedge|opera|vivaldi-bin|electron|electron*|code|codium|"
        "discord|"
        "Discord|slack|signal-desktop|teams*|spotify|obsidian|element-desktop|zoom|WebKitWebProces|firefox|"
        "firefox-bin|firefox-esr|zen|librewolf",
        HolderKind::program, "Close {comm}{or-elsewhere}"},
    Holder{"looking-glass-c*", HolderKind::program,
           "Close the Looking Glass client or let it draw on the other GPU."},

    // Machines and containers.
    Holder{
        "qemu-system-*|qemu-kvm|kvm|crosvm|cloud-hyperviso*|firecracker|VBoxHeadless|VirtualBoxVM|vmware-vmx",
        HolderKind::vm, "Shut down the virtual machine {machine}, or take the device out of it."},
    Holder{"Xvfb|Xvnc|sunshine-kms*", HolderKind::program, "Close {comm} (pid {pid})."},
};

bool name_fits(std::string_view name, std::string_view pattern) {
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return name == pattern || (name.size() == 15 && pattern.starts_with(name));
}

bool row_fits(const Holder& row, std::string_view name) {
  for (auto names = row.names; !names.empty();) {
    const auto end = std::min(names.find('|'), names.size());
    if (name_fits(name, names.substr(0, end))) return true;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}

std::string_view executable(std::string_view command) {
  const auto path = command.substr(0, command.find(' '));
  return path.substr(path.rfind('/') + 1);
}

/// Not what runs other people's sessions and jobs as well.
bool is_own_service(std::string_view unit) {
  constexpr std::array shared{"user@", "cron", "crond", "atd", "ssh", "slurm", "getty@", "display-manager"};
  return unit.ends_with(".service") &&
         std::ranges::none_of(shared, [&](std::string_view name) { return unit.starts_with(name); });
}

std::string stop_command(const DeviceUser& user) {
  if (is_own_service(user.owner.unit)) return "systemctl stop " + user.owner.unit;
  return "kill " + std::to_string(user.pid);
}

/// A choice between the libraries of NVIDIA and Mesa: where Mesa serves both GPUs it chooses neither.
std::string or_elsewhere(const DeviceUser& user) {
  const bool by_nvidia = user.node == NodeKind::nvidia || user.node == NodeKind::nvidia_shared;
  return by_nvidia ? ", or start it on the other GPU only: "
                     "__EGL_VENDOR_LIBRARY_FILENAMES=/usr/share/glvnd/egl_vendor.d/50_mesa.json {comm}"
                   : ".";
}

std::string filled(std::string_view text, const DeviceUser& user) {
  std::string result{text};
  const std::pair<std::string_view, std::string> fields[] = {
      {"{or-elsewhere}", or_elsewhere(user)},
      {"{pid}", std::to_string(user.pid)},
      {"{comm}", user.comm},
      {"{stop}", stop_command(user)},
      {"{user-unit}", user.owner.user_unit},
      {"{what}", user.what},
      {"{container}", user.owner.container},
      {"{machine}",
       user.owner.machine.empty() ? "of process " + std::to_string(user.pid) : user.owner.machine},
      {"{function}", user.function.str()},
  };
  for (const auto& [field, value] : fields)
    for (auto at = result.find(field); at != std::string::npos; at = result.find(field, at + value.size()))
      result.replace(at, field.size(), value);
  return result;
}

/// For programs that are not in the table: by where they run.
std::pair<HolderKind, std::string_view> by_owner(const ProcessOwner& owner) {
  if (!owner.container.empty())
    return {HolderKind::container, "Stop the container {container}, which uses the GPU."};
  if (!owner.machine.empty()) return {HolderKind::vm, "Shut down {machine}, which uses the GPU."};
  if (!owner.user_unit.empty())
    return {HolderKind::program,
            "Close {comm} (pid {pid}), or as its user: systemctl --user stop {user-unit}"};
  if (is_own_service(owner.unit)) return {HolderKind::service, "Stop it: {stop}"};
  return {HolderKind::program, "Close {comm} (pid {pid})."};
}

/// Whom an open descriptor does not keep from leaving: drivers do not wait for readers of attributes, for
/// input and for USB clients, and some holders close by themselves when the device goes.
bool lets_go(const DeviceUser& user) {
  if (is_udev(user)) return true;
  if (user.node == NodeKind::sysfs || user.node == NodeKind::input || user.node == NodeKind::other)
    return true;
  if (user.kind == HolderKind::login_manager) return user.node == NodeKind::drm;
  return user.kind == HolderKind::audio_server && user.node == NodeKind::sound;
}

}  // namespace

const Holder* known_holder(std::string_view comm, std::string_view command) {
  for (const auto name : {comm, executable(command)}) {
    if (name.empty()) continue;
    const auto row = std::ranges::find_if(holders, [&](const Holder& h) { return row_fits(h, name); });
    if (row != holders.end()) return &*row;
  }
  return nullptr;
}

bool is_udev(const DeviceUser& user) {
  constexpr std::array names{"(udev-worker)", "systemd-udevd", "udevd"};
  return user.uid == 0 && std::ranges::find(names, user.comm) != names.end();
}

void explain(DeviceUser& user) {
  const auto* known = known_holder(user.comm, user.command);
  auto [kind, remedy] = known ? std::pair{known->kind, known->remedy} : by_owner(user.owner);
  if (user.pid == 1) std::tie(kind, remedy) = std::pair{holders.front().kind, holders.front().remedy};
  // In a container even a known program is best stopped with it; what is never ended stays so wherever it
  // runs.
  const bool never_ended = kind == HolderKind::compositor || kind == HolderKind::driver_service;
  const auto known_kind = kind;
  if (!user.owner.container.empty()) std::tie(kind, remedy) = by_owner(user.owner);
  if (never_ended) kind = known_kind;
  user.kind = kind;
  user.remedy = filled(remedy, user);
  user.will_let_go = lets_go(user);
}

}  // namespace gpuctl
