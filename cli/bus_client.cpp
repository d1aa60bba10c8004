// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/bus_client.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "cli/bus_values.hpp"
#include "cli/clean_text.hpp"
#include "gpuctl_names.hpp"
#include "sdbus_compat.hpp"

namespace gpuctl::cli {
namespace {

using namespace std::chrono_literals;

/// Answers from the daemon's memory; a first call also starts the daemon.
constexpr auto for_reading = 30s;
/// Calls that ask libvirt or look through /proc, which the daemon bounds itself.
constexpr auto for_searching = 2min;
/// Somebody may be typing a password.
constexpr auto for_asking = 10min;

/// And then an initramfs may be built.
constexpr auto for_building = 30min;

constexpr auto properties_interface = "org.freedesktop.DBus.Properties";
constexpr auto object_manager_interface = "org.freedesktop.DBus.ObjectManager";

/// The daemon may be another machine's: its sentences are cleaned like all else that it says.
std::string sentence_of(const sdbus::Error& error) { return clean(error.getMessage(), Newlines::keep); }

Failure failure_of(const sdbus::Error& error) { return {dbus::error_name(error), sentence_of(error)}; }

/// Milliseconds until `deadline` (CLOCK_MONOTONIC), as poll() wants them.
int poll_timeout(const std::optional<std::uint64_t>& deadline) {
  if (!deadline) return -1;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto now_usec =
      static_cast<std::uint64_t>(now.tv_sec) * 1000000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
  const auto left = *deadline > now_usec ? *deadline - now_usec : 0;
  return static_cast<int>(std::min<std::uint64_t>((left + 999) / 1000, 60000));
}

class BusClient final : public Client {
 public:
  explicit BusClient(std::unique_ptr<sdbus::IConnection> connection)
      : connection_(std::move(connection)),
        root_(dbus::make_proxy(*connection_, names::service, names::root_path)) {
    dbus::finish_registration(*root_);
  }

 private:
  template <class Result, class... Arguments>
  static Result call(sdbus::IProxy& proxy, const std::string& interface, const std::string& method,
                     std::chrono::microseconds timeout, const Arguments&... arguments) try {
    Result result;
    proxy.callMethod(method)
        .onInterface(interface)
        .withTimeout(timeout)
        .withArguments(arguments...)
        .storeResultsTo(result);
    return result;
  } catch (const sdbus::Error& error) {
    throw failure_of(error);
  }

  template <class Result, class... Arguments>
  Result ask(const char* interface, const char* method, std::chrono::microseconds timeout,
             const Arguments&... arguments) {
    return call<Result>(*root_, interface, method, timeout, arguments...);
  }

  template <class Result, class... Arguments>
  Result ask_manager(const char* method, std::chrono::microseconds timeout, const Arguments&... arguments) {
    return ask<Result>(names::manager_interface, method, timeout, arguments...);
  }

  std::unique_ptr<sdbus::IProxy> proxy(const std::string& path) {
    auto proxy = dbus::make_proxy(*connection_, names::service, path);
    dbus::finish_registration(*proxy);
    return proxy;
  }

  Objects do_objects() override {
    return objects_of(
        call<ManagedObjects>(*root_, object_manager_interface, "GetManagedObjects", for_reading));
  }

  Operation do_operation(const std::string& path) override {
    const auto listened = heard_.find(path);
    if (listened == heard_.end()) return operation_of(path, read_operation(path));
    if (listened->second.empty()) listened->second = read_operation(path);
    return operation_of(path, listened->second);
  }

  Properties read_operation(const std::string& path) {
    const std::string interface = names::operation_interface;
    return call<Properties>(*proxy(path), properties_interface, "GetAll", for_reading, interface);
  }

  std::string do_attach(const std::string& gpu, const std::string& vm,
                        const RequestOptions& options) override {
    return ask_manager<sdbus::ObjectPath>("Attach", for_asking, gpu, vm, wire_options(options));
  }

  std::string do_release(const std::string& gpu, const RequestOptions& options) override {
    return ask_manager<sdbus::ObjectPath>("Release", for_asking, gpu, wire_options(options));
  }

  void do_cancel(const std::string& path) override try {
    proxy(path)
        ->callMethod("Cancel")
        .onInterface(std::string{names::operation_interface})
        .withTimeout(std::chrono::microseconds{for_asking});
  } catch (const sdbus::Error& error) {
    throw failure_of(error);
  }

  std::vector<Problem> do_check(const std::string& gpu, const std::string& vm,
                                const RequestOptions& options) override {
    return problems_of(ask_manager<WireProblems>("Check", for_searching, gpu, vm, wire_options(options)));
  }

  std::vector<Step> do_plan(const std::string& verb, const std::string& gpu, const std::string& vm,
                            const RequestOptions& options) override {
    return steps_of(ask_manager<WireSteps>("Plan", for_searching, verb, gpu, vm, wire_options(options)));
  }

  std::vector<Problem> do_diagnose() override {
    return problems_of(ask_manager<WireProblems>("Diagnose", for_searching));
  }

  std::vector<User> do_users(const std::string& gpu) override {
    return users_of(ask_manager<std::vector<Properties>>("ListUsers", for_searching, gpu));
  }

  std::vector<Vm> do_vms() override {
    return vms_of(ask_manager<std::vector<Properties>>("ListVms", for_searching));
  }

  std::vector<Problem> do_check_vm(const std::string& vm, const std::string& gpu) override {
    return problems_of(
        ask<WireProblems>(names::vms_interface, "CheckVm", for_searching, vm, wire_setup({.gpu = gpu})));
  }

  std::string do_setup_vm(const std::string& vm, const VmSetup& setup) override {
    return ask<std::string>(names::vms_interface, "SetupVm", for_asking, vm, wire_setup(setup));
  }

  std::string do_undo_vm(const std::string& vm, const VmSetup& setup) override {
    return ask<std::string>(names::vms_interface, "UndoVm", for_asking, vm, wire_setup(setup));
  }

  std::vector<Problem> do_check_looking_glass(const std::string& vm) override {
    return problems_of(
        ask<WireProblems>(names::vms_interface, "CheckLookingGlass", for_searching, vm, Properties{}));
  }

  std::string do_read_rom(const std::string& gpu, Interaction interaction) override {
    const auto options = wire_interaction(interaction);
    const auto bytes = ask_manager<std::vector<std::uint8_t>>("ReadRom", for_asking, gpu, options);
    return {bytes.begin(), bytes.end()};
  }

  template <class Result, class... Arguments>
  Result ask_host(const char* method, std::chrono::microseconds timeout, const Arguments&... arguments) {
    return ask<Result>(names::host_interface, method, timeout, arguments...);
  }

  KernelArguments do_kernel_arguments() override {
    return kernel_arguments_of(ask_host<Properties>("KernelArguments", for_searching));
  }

  std::string do_plan_kernel_arguments(const KernelArgumentsWish& wish) override {
    return ask_host<std::string>("PlanKernelArguments", for_searching, wire_wish(wish, Interaction::allowed));
  }

  std::string do_enable_kernel_arguments(const KernelArgumentsWish& wish, Interaction interaction) override {
    return ask_host<std::string>("EnableKernelArguments", for_building, wire_wish(wish, interaction));
  }

  std::string do_undo_kernel_arguments(Interaction interaction) override {
    return ask_host<std::string>("UndoKernelArguments", for_building, wire_interaction(interaction));
  }

  std::vector<BootPolicy> do_boot_policies() override {
    return boot_policies_of(ask_host<std::vector<Properties>>("BootPolicies", for_searching));
  }

  std::string do_set_boot_policy(const std::string& gpu, const std::string& side, bool migrate,
                                 Interaction interaction) override {
    auto options = wire_interaction(interaction);
    if (migrate) options.emplace("migrate", sdbus::Variant{true});
    return ask_host<std::string>("SetBootPolicy", for_building, gpu, side, options);
  }

  std::string do_confirm_boot_policy(const std::string& gpu, Interaction interaction) override {
    return ask_host<std::string>("ConfirmBootPolicy", for_building, gpu, wire_interaction(interaction));
  }

  std::vector<Problem> do_apply_boot_policy() override {
    return problems_of(ask_host<WireProblems>("ApplyBootPolicy", for_building, Properties{}));
  }

  std::string do_report() override { return ask_host<std::string>("Report", for_searching, Properties{}); }

  void do_listen(const std::string& path) override try {
    heard_[path];
    matches_.push_back(dbus::match(
        *connection_,
        std::string{"type='signal',sender='"} + names::service + "',path_namespace='" + path + "'",
        [this](auto& message) { hear(message); }));
    matches_.push_back(
        dbus::match(*connection_,
                    std::string{"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                                "arg0='"} +
                        names::service + "'",
                    [this](auto& message) { owner_changed(message); }));
  } catch (const sdbus::Error& error) {
    throw failure_of(error);
  }

  /// What was read of an operation at first is kept up to date: a signal has all that has changed. One that
  /// is older than the reading is followed by those that are not.
  void hear(sdbus::Message& message) {
    changed_ = true;
    const auto known = heard_.find(std::string{message.getPath()});
    if (known == heard_.end() || known->second.empty()) return;
    if (std::string{message.getMemberName()} != "PropertiesChanged") return;
    std::string interface;
    Properties changed;
    message >> interface >> changed;
    changed.merge(known->second);
    known->second = std::move(changed);
  }

  void owner_changed(sdbus::Message& message) {
    std::string name, before, now;
    message >> name >> before >> now;
    if (now.empty())
      gone_ = true;
    else
      changed_ = true;
  }

  Wake do_wait(int interrupt_fd) override try {
    for (;;) {
      while (dbus::process_pending(*connection_)) continue;
      if (std::exchange(gone_, false)) return Wake::daemon_gone;
      if (std::exchange(changed_, false)) return Wake::changed;
      const auto state = dbus::poll_state(*connection_);
      std::array<pollfd, 2> waiting{{{state.fd, state.events, 0}, {interrupt_fd, POLLIN, 0}}};
      poll(waiting.data(), waiting.size(), poll_timeout(state.deadline_usec));
      if (waiting[1].revents != 0) return Wake::interrupted;
    }
  } catch (const sdbus::Error& error) {
    throw failure_of(error);
  }

  std::unique_ptr<sdbus::IConnection> connection_;
  std::unique_ptr<sdbus::IProxy> root_;
  std::vector<sdbus::Slot> matches_;
  std::map<std::string, Properties> heard_;  ///< of the operations that are listened to, once read
  bool changed_{}, gone_{};
};

}  // namespace

std::unique_ptr<Client> connect_to_bus(const std::string& host) try {
  return std::make_unique<BusClient>(host.empty() ? dbus::system_bus()
                                                  : sdbus::createRemoteSystemBusConnection(host));
} catch (const sdbus::Error& error) {
  const auto where = host.empty() ? std::string{"the system bus"} : "the system bus of " + host;
  throw Failure{"org.freedesktop.DBus.Error.NoServer", where + " cannot be reached: " + sentence_of(error)};
}

}  // namespace gpuctl::cli
