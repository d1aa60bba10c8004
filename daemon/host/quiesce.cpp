// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/quiesce.hpp"

#include "host/file_edit.hpp"
#include "host/holder_remedies.hpp"
#include "host/nvidia_nodes.hpp"
#include "os/bound_functions.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <thread>

namespace gpuctl {
namespace {

/// Compositors that drop a secondary GPU on a remove event and go on. mutter never drops one, Xorg with
/// NVIDIA's driver cannot, of the others nothing is known: these are not asked.
constexpr std::array survives_remove{"kwin_wayland", "sway", "wayfire", "labwc", "river"};

bool survives(const DeviceUser& user) {
  return std::ranges::any_of(survives_remove,
                             [&](std::string_view name) { return user.comm.starts_with(name); });
}

/// Units of the system manager that hold this very GPU.
void plan_units(const DeviceUsers& users, const QuiescePolicy& policy, QuiescePlan& plan) {
  std::set<std::string> holding;
  for (const auto& user : users)
    if (!user.shared && !user.will_let_go && may_stop(policy, user.owner.unit))
      holding.insert(user.owner.unit);
  plan.units.assign(holding.begin(), holding.end());
  for (const auto& user : users)
    if (holding.contains(user.owner.unit)) plan.leaving.insert(user.pid);
}

/// A compositor's first GPU is the one it draws with: it ends when that is taken away.
bool is_secondary_for(const DeviceUser& compositor, const QuiesceFacts& facts) {
  return !facts.boot_vga && facts.on_other_card.contains(compositor.pid) &&
         !facts.started_on_this.contains(compositor.pid);
}

void plan_drm_remove(const DeviceUsers& users, const QuiesceFacts& facts, QuiescePlan& plan) {
  std::set<pid_t> leaving;
  for (const auto& user : users) {
    if (user.kind == HolderKind::login_manager && is_card(user)) leaving.insert(user.pid);
    if (user.kind != HolderKind::compositor || !is_card(user)) continue;
    if (!survives(user) || !is_secondary_for(user, facts)) return;
    leaving.insert(user.pid);
  }
  if (leaving.empty()) return;
  plan.drm_cards = facts.drm_cards;
  if (!plan.drm_cards.empty()) plan.leaving.insert(leaving.begin(), leaving.end());
}

void plan_modules(const QuiesceFacts& facts, QuiescePlan& plan) {
  if (!facts.bound_to_nvidia || facts.other_nvidia_gpu || !nvidia_drm_pins_gpu(facts.nvidia_drm)) return;
  plan.modules = {"nvidia_drm", "nvidia_modeset"};
}

bool is_pinned_by_module(const DeviceUser& user) {
  return user.via == Via::kernel && user.what == "nvidia-drm modeset";
}

/// First of a colon-separated list of nodes, as KWin and wlroots read it; KWin takes "\:" for a colon.
/// Empty: the variable is not set.
std::string first_named(const std::string& environment, std::string_view variable) {
  const auto all = '\0' + environment + '\0';
  const auto at = all.find('\0' + std::string{variable} + '=');
  std::string first;
  if (at == std::string::npos) return first;
  for (auto i = at + variable.size() + 2; all[i] != '\0' && all[i] != ':'; ++i) {
    if (all[i] == '\\' && all[i + 1] == ':') ++i;
    first += all[i];
  }
  return first;
}

/// Compositors follow the links that people name there, as numbers of cards change. gpuctld has a /dev of its
/// own, without any card.
bool is_node_of_another_card(const RootDir& root, pid_t pid, const std::string& path,
                             const std::vector<std::string>& cards) {
  const auto their_root = root.path() / "proc" / std::to_string(pid) / "root";
  const auto node = "/" + resolved(their_root, std::filesystem::path{path}.relative_path())
                              .lexically_relative(their_root)
                              .string();
  return node.starts_with("/dev/dri/card") &&
         std::ranges::none_of(cards, [&](const std::string& card) { return node == "/dev/dri/" + card; });
}

/// Also where it was told something that leads nowhere from here.
bool told_to_start_here(const RootDir& root, pid_t pid, const std::vector<std::string>& cards) {
  const auto environment = root.read("proc/" + std::to_string(pid) + "/environ", 1 << 20).value_or("");
  constexpr std::array variables{"KWIN_DRM_DEVICES", "WLR_DRM_DEVICES"};
  return std::ranges::any_of(variables, [&](const char* variable) {
    const auto first = first_named(environment, variable);
    return !first.empty() && !is_node_of_another_card(root, pid, first, cards);
  });
}

bool is_primary_node(const DeviceNode& node) { return node.path.starts_with("/dev/dri/card"); }

std::set<pid_t> on_card_of(const RootDir& root, const std::vector<PciAddress>& functions) {
  auto nodes = device_nodes(root, functions);
  std::erase_if(nodes.nodes, [](const DeviceNode& n) { return !is_primary_node(n); });
  std::set<pid_t> pids;
  if (nodes.nodes.empty()) return pids;
  for (const auto& hold : scan_processes(root, nodes).holds) pids.insert(hold.pid);
  return pids;
}

bool has_compositor(const DeviceUsers& users) {
  return std::ranges::any_of(users, [](const auto& u) { return u.kind == HolderKind::compositor; });
}

bool is_in_the_way(const DeviceUser& user) {
  return user.node != NodeKind::sysfs && user.node != NodeKind::input;
}

bool still_leaving(const DeviceUser& user, const std::set<pid_t>& leaving) {
  return is_in_the_way(user) && (leaving.contains(user.pid) || is_udev(user));
}

/// udev looks for a moment only: when it takes longer it is a user like any other.
DeviceUsers without_hope(DeviceUsers users) {
  for (auto& user : users)
    if (is_udev(user) && is_in_the_way(user)) user.will_let_go = false;
  return users;
}

}  // namespace

QuiesceFacts quiesce_facts(const RootDir& root, const GpuNodes& nodes, const DeviceUsers& users) {
  QuiesceFacts facts;
  for (const auto& node : nodes.nodes)
    if (is_primary_node(node)) facts.drm_cards.push_back(node.path.substr(9));
  const auto nvidia = bound_to(root, "nvidia");
  for (const auto function : nodes.functions) {
    facts.boot_vga |= root.text("sys/bus/pci/devices/" + function.str() + "/boot_vga") == "1";
    facts.bound_to_nvidia |= std::ranges::find(nvidia, function) != nvidia.end();
  }
  facts.other_nvidia_gpu = nvidia.size() > static_cast<std::size_t>(facts.bound_to_nvidia);
  facts.nvidia_drm = nvidia_drm_state(root);
  if (!has_compositor(users)) return facts;
  facts.on_other_card = on_card_of(root, other_gpus(root, nodes));
  for (const auto& user : users)
    if (user.kind == HolderKind::compositor && told_to_start_here(root, user.pid, facts.drm_cards))
      facts.started_on_this.insert(user.pid);
  return facts;
}

bool may_stop(const QuiescePolicy& policy, const std::string& unit) {
  return !unit.empty() && std::ranges::any_of(policy.stop_units, [&](const std::string& pattern) {
    return ::fnmatch(pattern.c_str(), unit.c_str(), 0) == 0;
  });
}

QuiescePlan quiesce_plan(const DeviceUsers& users, const QuiesceFacts& facts, const QuiescePolicy& policy) {
  QuiescePlan plan;
  plan_units(users, policy, plan);
  if (policy.drm_remove) plan_drm_remove(users, facts, plan);
  if (policy.unload_modules) plan_modules(facts, plan);
  return plan;
}

DeviceUsers after(const QuiescePlan& plan, DeviceUsers users) {
  for (auto& user : users) {
    const bool unloaded = !plan.modules.empty() && is_pinned_by_module(user);
    if (user.pid != 0 ? plan.leaving.contains(user.pid) : unloaded) user.will_let_go = true;
  }
  return users;
}

DeviceUsers users_once_settled(const RootDir& root, const std::vector<PciAddress>& functions,
                               const std::set<pid_t>& leaving, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  auto pause = std::chrono::milliseconds{5};
  for (;;) {
    const bool last = std::chrono::steady_clock::now() >= end;  // a look of when the time is over decides
    auto users = device_users(root, functions);
    const bool wait = std::ranges::any_of(users, [&](const auto& u) { return still_leaving(u, leaving); });
    if (!wait) return users;
    if (last) return without_hope(std::move(users));
    std::this_thread::sleep_until(std::min(std::chrono::steady_clock::now() + pause, end));
    pause = std::min(pause * 2, std::chrono::milliseconds{100});
  }
}

}  // namespace gpuctl
