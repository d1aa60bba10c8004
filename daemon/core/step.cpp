// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/step.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/node_mode.hpp"

namespace gpuctl {
namespace {

constexpr std::array<std::string_view, step_kind_count> kind_names{
    "stop-unit",  "start-unit",   "load-module",   "unload-module",  "set-power-control",
    "set-d3cold", "set-override", "drm-remove",    "drm-add",        "close-nodes",
    "open-nodes", "check-users",  "check-present", "unbind",         "bind",
    "reset",      "remove",       "rescan",        "vm-add-devices", "vm-remove-devices",
    "vm-plug",    "vm-unplug",    "vm-start",      "vm-stop"};

std::string or_none(const std::string& text) { return text.empty() ? "none" : text; }

/// A sound card alone has a dozen.
std::string some_paths(const NodeModes& nodes) {
  constexpr std::size_t enough = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(enough, nodes.size()); ++i)
    text += (text.empty() ? "" : ", ") + nodes[i].path;
  return nodes.size() <= enough ? text : fmt::format("{} and {} more", text, nodes.size() - enough);
}

/// ["0000:01:00.0","0000:01:00.1"] for people: 0000:01:00.0, 0000:01:00.1
std::string plain_list(std::string_view json) {
  std::string text;
  for (const char c : json)
    if (c == ',')
      text += ", ";
    else if (c != '[' && c != ']' && c != '"')
      text += c;
  return text;
}

}  // namespace

std::string_view to_string(StepKind kind) { return kind_names.at(static_cast<std::size_t>(kind)); }

std::optional<StepKind> step_kind(std::string_view text) {
  for (std::size_t i = 0; i < kind_names.size(); ++i)
    if (kind_names.at(i) == text) return static_cast<StepKind>(i);
  return std::nullopt;
}

std::string Step::detail() const {
  switch (kind) {
    case StepKind::set_power_control:
    case StepKind::set_d3cold:
    case StepKind::set_override:
      return fmt::format("{} → {}", or_none(from), or_none(to));
    case StepKind::unbind:
      return from.empty() ? "from any driver" + (to.empty() ? "" : " but " + to)
                          : fmt::format("from {}", from);
    case StepKind::bind:
      return fmt::format("to {}", to);
    case StepKind::start_unit:
      return to.empty() ? "" : fmt::format("for the GPUs of {}", to);
    case StepKind::close_nodes:
    case StepKind::open_nodes:
      return some_paths(node_modes(to));
    case StepKind::vm_add_devices:
    case StepKind::vm_plug:
      return plain_list(to);
    case StepKind::vm_remove_devices:
    case StepKind::vm_unplug:
      return plain_list(from);
    default:
      return to;
  }
}

std::optional<Step> inverse(const Step& s) {
  const auto turned = [&s](StepKind kind) { return Step{kind, s.subject, s.to, s.from}; };
  switch (s.kind) {
    case StepKind::stop_unit:
      return turned(StepKind::start_unit);
    case StepKind::start_unit:
      return turned(StepKind::stop_unit);
    case StepKind::unload_module:
      return turned(StepKind::load_module);
    case StepKind::set_power_control:
    case StepKind::set_d3cold:
    case StepKind::set_override:
      return turned(s.kind);
    case StepKind::drm_remove:
      return turned(StepKind::drm_add);
    case StepKind::drm_add:
      return turned(StepKind::drm_remove);
    case StepKind::close_nodes:
      return Step{StepKind::open_nodes, s.subject, "", s.to};
    case StepKind::unbind:
      return s.from.empty() ? std::nullopt : std::optional(turned(StepKind::bind));
    case StepKind::bind:
      return turned(StepKind::unbind);
    case StepKind::remove:
      return turned(StepKind::rescan);
    case StepKind::vm_add_devices:
      return turned(StepKind::vm_remove_devices);
    case StepKind::vm_remove_devices:
      return turned(StepKind::vm_add_devices);
    case StepKind::vm_plug:
      return turned(StepKind::vm_unplug);
    case StepKind::vm_unplug:
      return turned(StepKind::vm_plug);
    case StepKind::vm_start:
      return turned(StepKind::vm_stop);
    case StepKind::vm_stop:
      return turned(StepKind::vm_start);
    case StepKind::load_module:
    case StepKind::open_nodes:
    case StepKind::check_users:
    case StepKind::check_present:
    case StepKind::reset:
    case StepKind::rescan:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string_view to_string(StepState state) {
  constexpr std::array<std::string_view, 5> names{"pending", "running", "done", "failed", "undone"};
  return names.at(static_cast<std::size_t>(state));
}

}  // namespace gpuctl
