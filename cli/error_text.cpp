// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/error_text.hpp"

#include <algorithm>
#include <array>

#include "gpuctl_names.hpp"

namespace gpuctl::cli {
namespace {

struct Row {
  std::string_view name;
  Explanation explanation;
};

constexpr std::string_view look_at_log = "The log has more: journalctl -u gpuctld.";

constexpr std::array gpuctl_errors{
    Row{"InvalidArgument", {Exit::usage, ""}},
    Row{"NotFound", {Exit::not_found, "gpuctl list shows the GPUs, gpuctl operations what runs."}},
    Row{"AmbiguousGpu", {Exit::usage, "Name one of them by its PCI address; gpuctl list shows them."}},
    Row{"NotAuthorized", {Exit::not_authorized, "gpuctl(1), AUTHORIZATION, has more."}},
    Row{"Busy", {Exit::refused, "gpuctl operations shows what runs; try again when it has finished."}},
    Row{"Blocked", {Exit::refused, ""}},
    Row{"VmNotFound",
        {Exit::not_found,
         "gpuctl vm list shows the VMs; those of a user's own session (GNOME Boxes) cannot have a GPU. "
         "A GPU is named with --gpu."}},
    Row{"VmRunning", {Exit::refused, "Shut the VM down first, or change the running one with --live."}},
    Row{"LibvirtUnavailable",
        {Exit::refused,
         "Install libvirt and start it, or wait until it answers; without it, gpuctl attach binds the GPU to "
         "vfio-pci only."}},
    Row{"LimitsExceeded", {Exit::refused, "Too much at once; try again in a moment."}},
    Row{"Cancelled", {Exit::failed, ""}},
    Row{"TimedOut",
        {Exit::failed, "gpuctl list shows where the GPU is now. The log has more: journalctl -u gpuctld."}},
    Row{"DeviceGone",
        {Exit::failed,
         "Try gpuctl release --reset, then gpuctl release --rescan, then switch the machine off and on "
         "again."}},
    Row{"DeviceChanged", {Exit::refused, ""}},
    Row{"KernelRefused", {Exit::failed, look_at_log}},
    Row{"NotBound", {Exit::failed, look_at_log}},
    Row{"StateUnwritable", {Exit::refused, "Make room or permissions in the directory named above."}},
    Row{"RollbackFailed", {Exit::failed, "gpuctl show tells what is left; journalctl -u gpuctld has more."}},
    Row{"NotSupported", {Exit::refused, ""}},
    Row{"Internal", {Exit::failed, look_at_log}},
};

constexpr std::string_view start_daemon =
    "Is gpuctld installed? systemctl status gpuctld tells, journalctl -u gpuctld has more.";
constexpr std::string_view update_daemon =
    "gpuctld and gpuctl are of different versions: systemctl restart gpuctld.";

constexpr std::array dbus_errors{
    Row{"org.freedesktop.DBus.Error.AccessDenied",
        {Exit::not_authorized, "The policy of the system bus does not let you talk to gpuctld."}},
    Row{"org.freedesktop.DBus.Error.NoServer",
        {Exit::unreachable,
         "gpuctl needs D-Bus: systemctl status dbus (there or here) tells what is wrong."}},
    Row{"org.freedesktop.DBus.Error.NoReply",
        {Exit::unreachable,
         "What it was doing is finished or undone at its next start: journalctl -u gpuctld."}},
    Row{"org.freedesktop.DBus.Error.AuthFailed", {Exit::not_authorized, ""}},
    Row{"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", {Exit::not_authorized, ""}},
    Row{"org.freedesktop.DBus.Error.LimitsExceeded",
        {Exit::refused, "Too much at once; try again in a moment."}},
    Row{"org.freedesktop.DBus.Error.InvalidArgs", {Exit::usage, ""}},
    Row{"org.freedesktop.DBus.Error.UnknownObject",
        {Exit::not_found, "gpuctl operations shows what there is."}},
    Row{"org.freedesktop.DBus.Error.UnknownMethod", {Exit::unreachable, update_daemon}},
    Row{"org.freedesktop.DBus.Error.UnknownInterface", {Exit::unreachable, update_daemon}},
    Row{"org.freedesktop.DBus.Error.UnknownProperty", {Exit::unreachable, update_daemon}},
    Row{"org.freedesktop.DBus.Error.InvalidSignature", {Exit::unreachable, update_daemon}},
};

template <class Rows>
const Row* find(const Rows& rows, std::string_view name) {
  const auto found = std::ranges::find(rows, name, &Row::name);
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

std::string_view short_name(std::string_view error_name) {
  const std::string_view prefix = names::error_prefix;
  return error_name.starts_with(prefix) ? error_name.substr(prefix.size()) : error_name;
}

Explanation explain(std::string_view error_name) {
  const bool ours = error_name.starts_with(names::error_prefix);
  if (ours) {
    const auto* row = find(gpuctl_errors, short_name(error_name));
    return row != nullptr ? row->explanation : Explanation{Exit::failed, look_at_log};
  }
  if (const auto* row = find(dbus_errors, error_name)) return row->explanation;
  // whatever else the bus or the socket says: no answer from the daemon
  return {Exit::unreachable, start_daemon};
}

}  // namespace gpuctl::cli
