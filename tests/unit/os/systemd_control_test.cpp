// SPDX-License-Identifier: GPL-2.0-or-later
#include "os/systemd_control.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "os/unique_fd.hpp"

using namespace gpuctl;

namespace {

/// A dbus-daemon of our own.
class PrivateBus {
 public:
  PrivateBus() {
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    const UniqueFd reading{pipe[0]};
    UniqueFd writing{pipe[1]};
    const auto print = "--print-address=" + std::to_string(pipe[1]);
    std::array<const char*, 5> arguments{"dbus-daemon", "--session", "--nofork", print.c_str(), nullptr};
    REQUIRE(::posix_spawnp(&pid_, "dbus-daemon", nullptr, nullptr, const_cast<char* const*>(arguments.data()),
                           environ) == 0);
    writing.reset();
    char letter = 0;
    while (::read(reading.get(), &letter, 1) == 1 && letter != '\n') address_ += letter;
    REQUIRE_FALSE(address_.empty());
  }
  ~PrivateBus() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  PrivateBus(const PrivateBus&) = delete;
  PrivateBus& operator=(const PrivateBus&) = delete;

  sd_bus* connect() const {
    sd_bus* bus = nullptr;
    REQUIRE(sd_bus_new(&bus) >= 0);
    REQUIRE(sd_bus_set_address(bus, address_.c_str()) >= 0);
    REQUIRE(sd_bus_set_bus_client(bus, 1) >= 0);
    REQUIRE(sd_bus_start(bus) >= 0);
    return bus;
  }

 private:
  pid_t pid_{};
  std::string address_;
};

/// A systemd that ends jobs as it is told, once somebody has subscribed.
class FakeSystemd {
 public:
  explicit FakeSystemd(const PrivateBus& bus) : bus_(bus.connect()) {
    REQUIRE(sd_bus_add_object_vtable(bus_, nullptr, "/org/freedesktop/systemd1",
                                     "org.freedesktop.systemd1.Manager", vtable().data(), this) >= 0);
    REQUIRE(sd_bus_request_name(bus_, "org.freedesktop.systemd1", 0) >= 0);
    thread_ = std::thread{[this] { serve(); }};
  }
  ~FakeSystemd() {
    stopping_ = true;
    thread_.join();
    sd_bus_flush_close_unref(bus_);
  }
  FakeSystemd(const FakeSystemd&) = delete;
  FakeSystemd& operator=(const FakeSystemd&) = delete;

  std::string result{"done"};  ///< of each job; empty: it never ends
  std::vector<std::string> calls;

 private:
  static const std::array<sd_bus_vtable, 7>& vtable() {
    static const std::array<sd_bus_vtable, 7> table{
        sd_bus_vtable SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Subscribe", "", "", on_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StartUnit", "ss", "o", on_start, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RestartUnit", "ss", "o", on_restart, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ResetFailedUnit", "s", "", on_reset, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StopUnit", "ss", "o", on_stop, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END};
    return table;
  }
  static int on_subscribe(sd_bus_message* m, void* self, sd_bus_error* error) {
    auto& it = *static_cast<FakeSystemd*>(self);
    if (it.subscribed_) return sd_bus_error_set(error, "org.freedesktop.systemd1.AlreadySubscribed", "again");
    it.subscribed_ = true;
    return sd_bus_reply_method_return(m, "");
  }
  static int on_start(sd_bus_message* m, void* self, sd_bus_error*) {
    return static_cast<FakeSystemd*>(self)->job(m, "start ");
  }
  static int on_restart(sd_bus_message* m, void* self, sd_bus_error*) {
    return static_cast<FakeSystemd*>(self)->job(m, "restart ");
  }
  static int on_reset(sd_bus_message* m, void* self, sd_bus_error* error) {
    auto& it = *static_cast<FakeSystemd*>(self);
    if (it.unknown(m, error)) return -ENOENT;
    const char* unit = nullptr;
    sd_bus_message_read(m, "s", &unit);
    it.calls.push_back(std::string{"forget the starts of "} + unit);
    return sd_bus_reply_method_return(m, "");
  }
  static int on_stop(sd_bus_message* m, void* self, sd_bus_error* error) {
    return static_cast<FakeSystemd*>(self)->unknown(m, error)
               ? -ENOENT
               : static_cast<FakeSystemd*>(self)->job(m, "stop ");
  }

  bool unknown(sd_bus_message* m, sd_bus_error* error) {
    const char* unit = nullptr;
    sd_bus_message_read(m, "s", &unit);
    sd_bus_message_rewind(m, 1);
    if (std::string(unit) != "unknown.service") return false;
    sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit", "Unit unknown.service not loaded.");
    return true;
  }

  /// The job ends before its reply goes out, as fast jobs do.
  int job(sd_bus_message* m, const std::string& verb) {
    const char* unit = nullptr;
    const char* mode = nullptr;
    sd_bus_message_read(m, "ss", &unit, &mode);
    calls.push_back(verb + unit + " " + mode);
    const auto path = "/org/freedesktop/systemd1/job/" + std::to_string(++jobs_);
    end_job("/org/freedesktop/systemd1/job/999", unit, "failed");
    if (!result.empty()) end_job(path, unit, result);
    return sd_bus_reply_method_return(m, "o", path.c_str());
  }
  void end_job(const std::string& path, const char* unit, const std::string& how) {
    if (subscribed_)
      sd_bus_emit_signal(bus_, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved",
                         "uoss", jobs_, path.c_str(), unit, how.c_str());
  }
  void serve() {
    while (!stopping_) {
      while (sd_bus_process(bus_, nullptr) > 0) continue;
      sd_bus_wait(bus_, 20'000);
    }
  }

  sd_bus* bus_{};
  std::thread thread_;
  std::atomic<bool> stopping_{};
  bool subscribed_{};
  std::uint32_t jobs_{};
};

struct Systemd {
  PrivateBus bus;
  FakeSystemd systemd{bus};
  DbusSystemdControl control{std::chrono::milliseconds{400}, [this] { return bus.connect(); }};
};

template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::kernel_refused);
    return e.what();
  }
  FAIL("no error");
  return {};
}

}  // namespace

TEST_CASE("a unit has started or stopped when its job has ended") {
  Systemd it;
  it.control.stop_unit("nvidia-persistenced.service");
  it.control.start_unit("nvidia-persistenced.service");
  CHECK(it.systemd.calls == std::vector<std::string>{"stop nvidia-persistenced.service replace",
                                                     "start nvidia-persistenced.service replace"});
}

TEST_CASE("a unit may be restarted as often as GPUs come back, and also one that is not loaded") {
  Systemd it;
  it.control.restart_unit("nvidia-dcgm.service");
  it.control.restart_unit("unknown.service");
  CHECK(it.systemd.calls == std::vector<std::string>{"forget the starts of nvidia-dcgm.service",
                                                     "restart nvidia-dcgm.service replace",
                                                     "restart unknown.service replace"});
}

TEST_CASE("a job that fails or does not end in time is an error that names the unit") {
  Systemd it;
  it.systemd.result = "failed";
  CHECK(error_of([&] { it.control.start_unit("a.service"); }) ==
        "systemd: the job for a.service ended as 'failed'");
  it.systemd.result = "";
  CHECK(error_of([&] { it.control.start_unit("b.service"); }) ==
        "systemd: the job for b.service did not end in time");
}

TEST_CASE("stopping a unit that systemd does not know succeeds") {
  Systemd it;
  it.control.stop_unit("unknown.service");
  CHECK(it.systemd.calls.empty());
}

TEST_CASE("modules are loaded and unloaded by units, under the kernel's spelling") {
  Systemd it;
  it.control.load_module("nvidia-drm");
  it.control.unload_module("nvidia_drm");
  CHECK(it.systemd.calls == std::vector<std::string>{"start modprobe@nvidia_drm.service replace",
                                                     "start gpuctl-rmmod@nvidia_drm.service replace"});
  for (const auto* name : {"", "a b", "../x", "x.service"})
    CHECK_THROWS_AS(it.control.load_module(name), Error);
}

TEST_CASE("without a bus the error says so") {
  DbusSystemdControl control{std::chrono::seconds{1}, []() -> sd_bus* {
                               throw Error(ErrorCode::kernel_refused,
                                           "systemd: connecting to the system bus: no");
                             }};
  CHECK(error_of([&] { control.start_unit("a.service"); }) == "systemd: connecting to the system bus: no");
}
