// SPDX-License-Identifier: GPL-2.0-or-later
// What the commands need from a daemon, in plain values. The bus is one implementation, tests bring another.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/values.hpp"

namespace gpuctl::cli {

/// A call that failed: `name` is the error name as on the bus ("org.gpuctl1.Error.Busy"), what() its
/// sentence.
class Failure : public std::runtime_error {
 public:
  Failure(std::string name, const std::string& message)
      : std::runtime_error(message), name_(std::move(name)) {}
  const std::string& name() const noexcept { return name_; }

 private:
  std::string name_;
};

/// What a pause of Client::wait() ended with.
enum class Wake { changed, interrupted, daemon_gone };

/// Every string that comes back is free of control characters: the public functions see to it, so that no
/// implementation and no command can forget. All of them throw Failure, whose sentence the implementation has
/// cleaned, but for line ends.
class Client {
 public:
  virtual ~Client() = default;

  Objects objects();
  Operation operation(const std::string& path);
  /// Path of the operation that has been started.
  std::string attach(const std::string& gpu, const std::string& vm, const RequestOptions& options);
  std::string release(const std::string& gpu, const RequestOptions& options);
  void cancel(const std::string& operation_path) { do_cancel(operation_path); }
  std::vector<Problem> check(const std::string& gpu, const std::string& vm, const RequestOptions& options);
  std::vector<Step> plan(const std::string& verb, const std::string& gpu, const std::string& vm,
                         const RequestOptions& options);
  std::vector<Problem> diagnose();
  std::vector<User> users(const std::string& gpu);
  std::vector<Vm> vms();
  std::vector<Problem> check_vm(const std::string& vm, const std::string& gpu);
  /// The change as a unified diff; "" = nothing to change.
  std::string setup_vm(const std::string& vm, const VmSetup& setup);
  /// Takes the last setup back; of `setup` only dry_run and interaction count.
  std::string undo_vm(const std::string& vm, const VmSetup& setup);
  std::vector<Problem> check_looking_glass(const std::string& vm);
  /// The bytes of a GPU's option ROM, as they are.
  std::string read_rom(const std::string& gpu, Interaction interaction) {
    return do_read_rom(gpu, interaction);
  }

  KernelArguments kernel_arguments();
  /// A unified diff and the commands that would run; "" = nothing to do.
  std::string plan_kernel_arguments(const KernelArgumentsWish& wish);
  /// These give a sentence on what holds now.
  std::string enable_kernel_arguments(const KernelArgumentsWish& wish, Interaction interaction);
  std::string undo_kernel_arguments(Interaction interaction);
  std::vector<BootPolicy> boot_policies();
  std::string set_boot_policy(const std::string& gpu, const std::string& side, bool migrate,
                              Interaction interaction);
  std::string confirm_boot_policy(const std::string& gpu, Interaction interaction);
  std::vector<Problem> apply_boot_policy();
  /// JSON, for a file: as it is.
  std::string report() { return do_report(); }

  /// From now on wait() returns `changed` after any signal of `path` or what is below it.
  void listen(const std::string& path) { do_listen(path); }
  /// Sleeps until such a signal, the end of the daemon, or something to read on `interrupt_fd` (-1 =
  /// nothing).
  Wake wait(int interrupt_fd) { return do_wait(interrupt_fd); }

 private:
  virtual Objects do_objects() = 0;
  virtual Operation do_operation(const std::string& path) = 0;
  virtual std::string do_attach(const std::string& gpu, const std::string& vm,
                                const RequestOptions& options) = 0;
  virtual std::string do_release(const std::string& gpu, const RequestOptions& options) = 0;
  virtual void do_cancel(const std::string& operation_path) = 0;
  virtual std::vector<Problem> do_check(const std::string& gpu, const std::string& vm,
                                        const RequestOptions& options) = 0;
  virtual std::vector<Step> do_plan(const std::string& verb, const std::string& gpu, const std::string& vm,
                                    const RequestOptions& options) = 0;
  virtual std::vector<Problem> do_diagnose() = 0;
  virtual std::vector<User> do_users(const std::string& gpu) = 0;
  virtual std::vector<Vm> do_vms() = 0;
  virtual std::vector<Problem> do_check_vm(const std::string& vm, const std::string& gpu) = 0;
  virtual std::string do_setup_vm(const std::string& vm, const VmSetup& setup) = 0;
  virtual std::string do_undo_vm(const std::string& vm, const VmSetup& setup) = 0;
  virtual std::vector<Problem> do_check_looking_glass(const std::string& vm) = 0;
  virtual std::string do_read_rom(const std::string& gpu, Interaction interaction) = 0;
  virtual KernelArguments do_kernel_arguments() = 0;
  virtual std::string do_plan_kernel_arguments(const KernelArgumentsWish& wish) = 0;
  virtual std::string do_enable_kernel_arguments(const KernelArgumentsWish& wish,
                                                 Interaction interaction) = 0;
  virtual std::string do_undo_kernel_arguments(Interaction interaction) = 0;
  virtual std::vector<BootPolicy> do_boot_policies() = 0;
  virtual std::string do_set_boot_policy(const std::string& gpu, const std::string& side, bool migrate,
                                         Interaction interaction) = 0;
  virtual std::string do_confirm_boot_policy(const std::string& gpu, Interaction interaction) = 0;
  virtual std::vector<Problem> do_apply_boot_policy() = 0;
  virtual std::string do_report() = 0;
  virtual void do_listen(const std::string& path) = 0;
  virtual Wake do_wait(int interrupt_fd) = 0;
};

}  // namespace gpuctl::cli
