// SPDX-License-Identifier: GPL-2.0-or-later
#include "rebind/kernel_performer.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "core/error.hpp"
#include "os/bound_functions.hpp"
#include "os/log.hpp"
#include "rebind/live_state.hpp"
#include "rebind/plan.hpp"

namespace gpuctl {
namespace {

constexpr unsigned closed = 0;  // to all but root

PciAddress address_of(const Step& step) {
  if (const auto address = PciAddress::parse(step.subject)) return *address;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("step {}: '{}' is no PCI address", to_string(step.kind), step.subject));
}

std::string card_path(const std::string& card) { return "sys/class/drm/" + card; }

std::string module_path(std::string module) {
  std::ranges::replace(module, '-', '_');
  return "sys/module/" + module;
}

/// A module loaded for the sake of a driver is there when the driver is.
bool is_loaded(const RootDir& root, const Step& step) {
  return root.exists(step.to.empty() ? module_path(step.subject) : "sys/bus/pci/drivers/" + step.to);
}

[[noreturn]] void throw_gone(const Step& step, const std::string& why) {
  throw Error(ErrorCode::device_gone, fmt::format("{}: {}: {}", step.subject, to_string(step.kind), why));
}

std::string or_none(const std::string& text) { return text.empty() ? "nothing" : text; }

/// Nothing if the function shows the effect of the step, else what it shows instead.
std::optional<Error> unproven(const Step& step, const PciFunction& f) {
  const auto error = [&](ErrorCode code, const std::string& what) {
    return Error(code, fmt::format("{}: {}: {}", step.subject, to_string(step.kind), what));
  };
  const auto shows = [&](const std::string& attribute, const std::string& value) -> std::optional<Error> {
    if (value == step.to) return std::nullopt;
    return error(ErrorCode::kernel_refused,
                 fmt::format("wrote {} to {}, which reads {}", or_none(step.to), attribute, or_none(value)));
  };
  switch (step.kind) {
    case StepKind::set_power_control:
      return shows("power/control", f.power_control);
    case StepKind::set_d3cold:
      return shows("d3cold_allowed", f.d3cold_allowed.value_or(false) ? "1" : "0");
    case StepKind::set_override:
      return shows("driver_override", f.driver_override);
    case StepKind::unbind:
      if (!f.driver.empty() && f.driver == step.to) return std::nullopt;
      if (!f.driver.empty())
        return error(ErrorCode::kernel_refused, fmt::format("{} still has it", f.driver));
      if (!f.uevent_driver.empty())
        return error(ErrorCode::timed_out, fmt::format("remove() of {} still runs", f.uevent_driver));
      return std::nullopt;
    case StepKind::bind:
      if (f.driver == step.to && f.uevent_driver == step.to) return std::nullopt;
      return error(ErrorCode::not_bound,
                   fmt::format("{} reported success, but {} is bound", step.to, or_none(f.driver)));
    default:
      return std::nullopt;
  }
}

}  // namespace

void open_nodes(NodeControl& nodes, const Step& step) {
  std::optional<Error> failed;
  for (const auto& node : node_modes(step.to)) try {
      nodes.change(node, closed, node.mode);
    } catch (const Error& e) {
      failed = Error(e.code(), fmt::format("{}: {}", step.subject, e.what()));
    }
  if (failed) throw Error(*failed);
}

KernelPerformer::KernelPerformer(PciControl& pci, SystemdControl& systemd, NodeControl& nodes,
                                 const RootDir& root, std::vector<PciAddress> functions, Users users)
    : pci_(pci),
      systemd_(systemd),
      nodes_(nodes),
      root_(root),
      functions_(std::move(functions)),
      users_(std::move(users)) {}

bool KernelPerformer::performs(StepKind kind) { return kind < StepKind::vm_add_devices; }

void KernelPerformer::perform(const Step& step) {
  switch (step.kind) {
    case StepKind::stop_unit:
      return systemd_.stop_unit(step.subject);
    case StepKind::start_unit:
      return start_unit(step);
    case StepKind::load_module:
      return load_module(step);
    case StepKind::unload_module:
      return unload_module(step);
    case StepKind::drm_remove:
      return announce(step.subject, "remove");
    case StepKind::drm_add:
      return announce(step.subject, "add");
    case StepKind::close_nodes:
      return close_nodes(step);
    case StepKind::open_nodes:
      return open_nodes(nodes_, step);
    case StepKind::check_users:
      return check_users(step, address_of(step));
    case StepKind::check_present:
      return check_present(step, address_of(step));
    case StepKind::reset:
      return reset(address_of(step));
    case StepKind::remove:
      return remove(step, address_of(step));
    case StepKind::rescan:
      return rescan(step, address_of(step));
    case StepKind::set_power_control:
    case StepKind::set_d3cold:
    case StepKind::set_override:
    case StepKind::unbind:
    case StepKind::bind:
      return change_function(step, address_of(step));
    default:
      throw Error(ErrorCode::internal, fmt::format("step {} is not the kernel's", to_string(step.kind)));
  }
}

/// nvidia-persistenced and its like open all the GPUs that there are when they start, and no later one.
void KernelPerformer::start_unit(const Step& step) {
  const bool has_gpus = !step.to.empty() && !bound_to(root_, step.to).empty();
  const bool others = step.from == for_others;
  if (others && !has_gpus) return;
  if (has_gpus && (others || step.from == anew)) return systemd_.restart_unit(step.subject);
  systemd_.start_unit(step.subject);
}

void KernelPerformer::load_module(const Step& step) {
  if (is_loaded(root_, step)) return;
  systemd_.load_module(step.subject);
  if (is_loaded(root_, step)) return;
  throw Error(
      ErrorCode::kernel_refused,
      fmt::format("module {} did not load: the running kernel has none of that name, modprobe.d keeps it "
                  "away, or it found no device; dmesg tells the last",
                  step.subject));
}

void KernelPerformer::unload_module(const Step& step) {
  if (!root_.exists(module_path(step.subject))) return;
  systemd_.unload_module(step.subject);
  if (!root_.exists(module_path(step.subject))) return;
  throw Error(ErrorCode::kernel_refused, fmt::format("module {} is still in use", step.subject));
}

void KernelPerformer::reset(PciAddress address) try { pci_.reset(address); } catch (const Error& e) {
  throw Error(e.code(), fmt::format("{}; what is left to try: gpuctl release --rescan", e.what()));
}

void KernelPerformer::remove(const Step& step, PciAddress address) {
  if (read_setup(root_, address).present) pci_.remove(address);
  if (!read_setup(root_, address).present) return;
  throw Error(ErrorCode::kernel_refused, fmt::format("{}: remove: it is still on the bus", step.subject));
}

void KernelPerformer::rescan(const Step& step, PciAddress address) {
  pci_.rescan();
  if (!read_setup(root_, address).present)
    throw_gone(step, "nothing answers there any more; switch the machine off and on again");
}

/// A card that went with its driver hears nothing, and comes back by itself.
void KernelPerformer::announce(const std::string& card, const std::string& action) {
  if (root_.exists(card_path(card))) pci_.drm_event(card, action);
}

/// A fence that cannot be set is no reason not to go on: whoever slips through is found by the looks at the
/// users.
void KernelPerformer::close_nodes(const Step& step) {
  for (const auto& node : node_modes(step.to)) try {
      nodes_.change(node, node.mode, closed);
    } catch (const Error& e) {
      log(events::warning, fmt::format("it stays open to newcomers: {}", e.what()), {.gpu = step.subject});
    }
}

void KernelPerformer::change_function(const Step& step, PciAddress address) {
  const auto before = read_setup(root_, address);
  if (!before.present) throw_gone(step, "the device has left the bus");
  if (!unproven(step, before)) return;
  if (step.kind == StepKind::unbind && step.from.empty()) return free_from_any(step, before);
  try {
    write(step, address);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::device_gone || unproven(step, read_setup(root_, address))) throw;
  }
  const auto after = read_setup(root_, address);
  if (!after.present) throw_gone(step, "the device has left the bus meanwhile");
  if (const auto error = unproven(step, after)) throw Error(*error);
}

/// Its driver came by itself: only now is it known whom to ask.
void KernelPerformer::free_from_any(const Step& step, const PciFunction& function) {
  if (!function.driver.empty()) check_users({StepKind::check_users, step.subject, "", ""}, function.address);
  change_function({StepKind::unbind, step.subject,
                   function.driver.empty() ? function.uevent_driver : function.driver, ""},
                  function.address);
}

void KernelPerformer::write(const Step& step, PciAddress address) {
  switch (step.kind) {
    case StepKind::set_power_control:
      return pci_.set_power_control(address, step.to);
    case StepKind::set_d3cold:
      return pci_.set_d3cold_allowed(address, step.to == "1");
    case StepKind::set_override:
      return pci_.set_driver_override(address, step.to);
    case StepKind::unbind:
      return pci_.unbind(address, step.from);
    default:
      return pci_.bind(address, step.to);
  }
}

void KernelPerformer::check_users(const Step& step, PciAddress address) const {
  std::string sentences;
  for (const auto& problem : users_(step.to == all_functions ? functions_ : std::vector{address}))
    if (problem.severity == Severity::blocker) sentences += (sentences.empty() ? "" : " ") + problem.message;
  if (!sentences.empty())
    throw Error(ErrorCode::blocked, fmt::format("{} is in use: {}", step.subject, sentences));
}

void KernelPerformer::check_present(const Step& step, PciAddress address) const {
  const auto ids = ids_in_config_space(root_, address);
  if (ids.empty()) throw_gone(step, "the device has left the bus");
  if (ids.starts_with("ffff:"))
    throw_gone(step,
               "its config space reads all ones, the device does not answer; what may bring it back: "
               "gpuctl release --reset, then gpuctl release --rescan");
  if (ids == step.to) return;
  throw Error(ErrorCode::device_changed, fmt::format("{} is {} now, not {}", step.subject, ids, step.to));
}

}  // namespace gpuctl
