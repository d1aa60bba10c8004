// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/systemd_control.hpp"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>

#include <fmt/format.h>

#include "core/error.hpp"

namespace gpuctl {
namespace {

constexpr auto service = "org.freedesktop.systemd1";
constexpr auto manager_path = "/org/freedesktop/systemd1";
constexpr auto manager = "org.freedesktop.systemd1.Manager";

struct MessageDeleter {
  void operator()(sd_bus_message* m) const noexcept { sd_bus_message_unref(m); }
};
using Message = std::unique_ptr<sd_bus_message, MessageDeleter>;

struct SlotDeleter {
  void operator()(sd_bus_slot* s) const noexcept { sd_bus_slot_unref(s); }
};
using Slot = std::unique_ptr<sd_bus_slot, SlotDeleter>;

struct BusError {
  sd_bus_error error = SD_BUS_ERROR_NULL;
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { sd_bus_error_free(&error); }
  std::string text(int result) const {
    return error.message != nullptr ? error.message : std::strerror(-result);
  }
};

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorCode::kernel_refused, what); }

int require(int result, const char* what) {
  if (result < 0) fail(fmt::format("systemd: {}: {}", what, std::strerror(-result)));
  return result;
}

sd_bus* open_system_bus() {
  sd_bus* bus = nullptr;
  require(sd_bus_open_system(&bus), "connecting to the system bus");
  return bus;
}

/// The units hand their instance name to modprobe and rmmod as it is.
std::string module_unit(const char* pattern, std::string module) {
  std::ranges::replace(module, '-', '_');
  const bool plain =
      std::ranges::all_of(module, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
  if (module.empty() || !plain)
    throw Error(ErrorCode::invalid_argument, fmt::format("'{}' is no module name", module));
  return fmt::format("{}@{}.service", pattern, module);
}

}  // namespace

/// Results of the jobs that ended while we listen, because a job may end before the reply that names it is
/// read.
struct DbusSystemdControl::Job {
  std::string path;
  std::map<std::string, std::string> results;

  static int removed(sd_bus_message* message, void* userdata, sd_bus_error*) {
    std::uint32_t id{};
    const char* path = nullptr;
    const char* unit = nullptr;
    const char* result = nullptr;
    if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) >= 0)
      static_cast<Job*>(userdata)->results[path] = result;
    return 0;
  }
};

DbusSystemdControl::DbusSystemdControl(std::chrono::milliseconds deadline, Connect connect)
    : deadline_(deadline), connect_(connect ? std::move(connect) : Connect{open_system_bus}) {}

DbusSystemdControl::~DbusSystemdControl() { sd_bus_flush_close_unref(bus_); }

sd_bus* DbusSystemdControl::bus() {
  if (bus_ == nullptr) bus_ = connect_();
  return bus_;
}

void DbusSystemdControl::start_unit(const std::string& unit) { run_job("StartUnit", unit); }
void DbusSystemdControl::stop_unit(const std::string& unit) { run_job("StopUnit", unit); }

void DbusSystemdControl::restart_unit(const std::string& unit) {
  forget_starts(unit);
  run_job("RestartUnit", unit);
}

/// org.freedesktop.systemd1(5), ResetFailedUnit: resets the counter of StartLimitBurst= too. One that is not
/// loaded has none.
void DbusSystemdControl::forget_starts(const std::string& unit) {
  static_cast<void>(sd_bus_call_method(bus(), service, manager_path, manager, "ResetFailedUnit", nullptr,
                                       nullptr, "s", unit.c_str()));
}

void DbusSystemdControl::load_module(const std::string& module) {
  start_unit(module_unit("modprobe", module));
}
void DbusSystemdControl::unload_module(const std::string& module) {
  start_unit(module_unit("gpuctl-rmmod", module));
}

void DbusSystemdControl::run_job(const char* method, const std::string& unit) {
  Job job;
  sd_bus_slot* slot = nullptr;
  require(sd_bus_match_signal(bus(), &slot, service, manager_path, manager, "JobRemoved", Job::removed, &job),
          "listening for jobs");
  const Slot listening{slot};
  BusError error;
  // Without a subscriber systemd sends no job signals. A second subscription of one connection is refused;
  // that is fine.
  static_cast<void>(
      sd_bus_call_method(bus(), service, manager_path, manager, "Subscribe", nullptr, nullptr, ""));
  sd_bus_message* raw = nullptr;
  const int result = sd_bus_call_method(bus(), service, manager_path, manager, method, &error.error, &raw,
                                        "ss", unit.c_str(), "replace");
  const Message reply{raw};
  const bool stops = std::strcmp(method, "StopUnit") == 0;
  if (stops && sd_bus_error_has_name(&error.error, "org.freedesktop.systemd1.NoSuchUnit") != 0) return;
  if (result < 0) fail(fmt::format("{} of {}: {}", method, unit, error.text(result)));
  const char* path = nullptr;
  require(sd_bus_message_read(reply.get(), "o", &path), "reading a job's path");
  job.path = path;
  wait_for(job, unit);
}

void DbusSystemdControl::wait_for(Job& job, const std::string& unit) {
  using namespace std::chrono;
  const auto end = steady_clock::now() + deadline_;
  while (!job.results.contains(job.path)) {
    const auto left = duration_cast<microseconds>(end - steady_clock::now());
    if (left <= microseconds::zero()) fail(fmt::format("systemd: the job for {} did not end in time", unit));
    if (require(sd_bus_process(bus_, nullptr), "reading the bus") > 0) continue;
    require(sd_bus_wait(bus_, static_cast<std::uint64_t>(left.count())), "waiting for the bus");
  }
  const auto& result = job.results.at(job.path);
  if (result != "done" && result != "skipped")
    fail(fmt::format("systemd: the job for {} ended as '{}'", unit, result));
}

}  // namespace gpuctl
