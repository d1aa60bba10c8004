// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon.hpp"

#include <signal.h>
#include <systemd/sd-daemon.h>

#include <fmt/format.h>

#include "gpuctl_names.hpp"
#include "machine_lookups.hpp"
#include "rebind/live_state.hpp"

namespace gpuctl {
namespace {

constexpr std::chrono::seconds query_timeout{20};
constexpr std::chrono::seconds departure_patience{5};
/// Less than the 25 s that sd-bus and GDBus give a call by default.
constexpr std::chrono::seconds return_patience{15};
constexpr std::chrono::seconds shutdown_patience{4};

}  // namespace

Daemon::Daemon(const DaemonOptions& options)
    : platform_(options.platform),
      connection_(dbus::system_bus()),
      workers_(loop_, options.argv0),
      bus_loop_(*connection_, loop_, [this] { stop(1); }),
      events_(loop_),
      root_(platform_.root),
      held_functions_(functions_held_by_helpers(platform_)),
      inventory_(
          root_, events_, loop_, [this] { return machine_lookups(platform_.modules_dir); }, held_functions_),
      assignment_dir_(platform_.state_dir / "assignments"),
      assignments_(assignment_dir_, boot_id(root_)),
      last_number_(platform_.runtime_dir),
      operations_(loop_, platform_.config.operations.retention, last_number_.numbers()),
      operation_log_(operations_),
      queries_(loop_, workers_, query_timeout),
      departures_(loop_, departure_patience,
                  [this](PciSlot gpu, bool leaving) { tree_.tell_departure(gpu, leaving); }),
      runner_(loop_, workers_, inventory_, operations_, departures_, platform_.config.step_timeouts()),
      recoveries_(loop_, inventory_, operations_, runner_, platform_),
      requests_(inventory_, operations_, queries_, departures_, runner_, recoveries_, platform_),
      returns_(loop_, operations_, return_patience),
      authorizer_(*connection_, loop_),
      gate_(authorizer_, platform_.config.polkit.interactive),
      gpu_calls_(*connection_, loop_, gate_, requests_, returns_, queries_, platform_),
      host_calls_(gate_, queries_, inventory_, platform_),
      tree_(*connection_, loop_, inventory_, operations_, requests_, gate_, gpu_calls_, host_calls_,
            departures_, [this] { return vm_names(); }),
      vm_watch_(loop_, workers_, inventory_, operations_, requests_, assignments_, platform_),
      lifecycle_(loop_, inventory_, operations_, requests_, assignments_, vm_watch_),
      vms_(*connection_, gate_, queries_, inventory_, lifecycle_, platform_),
      configuring_(loop_, workers_),
      boot_application_(operations_, requests_),
      host_(*connection_, gate_, queries_, configuring_, inventory_, boot_application_, platform_),
      sleep_guard_(*connection_, loop_, workers_, inventory_, operations_, requests_, assignments_,
                   configuring_, platform_.config.sleep.while_vm_has_gpu),
      terminate_(loop_.on_signal(SIGTERM, [this] { stop(0); })),
      interrupt_(loop_.on_signal(SIGINT, [this] { stop(0); })) {
  workers_.keep_from_children(bus_loop_.fd());
  remember_departures();
  configuring_.on_change([this] { sleep_guard_.update_later(); });
  vm_watch_.on_change([this] {
    sleep_guard_.update_later();
    tree_.update_later();
  });
}

/// Who let go of a GPU before a restart of gpuctld is told as well when it is back.
void Daemon::remember_departures() {
  const auto& snapshot = inventory_.snapshot();
  for (const auto& [slot, gpu] : snapshot.gpus)
    if (!is_at_home(gpu, snapshot)) departures_.has_left(slot);
}

VmNames Daemon::vm_names() const {
  VmNames names;
  for (const auto& [gpu, assignment] : assignments_.all()) names.emplace(gpu, assignment.vm_name);
  return names;
}

int Daemon::run() {
  vm_watch_.settle_other_boots();
  recoveries_.start();
  inventory_.end_transition(held_functions_);  // recovery waits for those that are held still
  vm_watch_.update();
  dbus::request_name(*connection_, names::service);
  loop_.enable_watchdog();
  sd_notify(0, "READY=1");
  return loop_.run();
}

void Daemon::stop(int status) {
  sd_notify(0, "STOPPING=1");
  requests_.stop();
  runner_.stop(shutdown_patience, [this, status] { loop_.stop(status); });
}

}  // namespace gpuctl
