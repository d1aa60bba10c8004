// SPDX-License-Identifier: GPL-2.0-or-later
// A daemon that answers from memory, and a program run with it.
#pragma once
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/client.hpp"
#include "cli/program.hpp"

namespace gpuctl::cli::test {

inline Failure refusal(const std::string& name, const std::string& message = "no") {
  return {"org.gpuctl1.Error." + name, message};
}

/// What the daemon knows. Set a failure to make a method fail; take from `calls` what was asked.
struct Daemon {
  Objects objects;
  std::vector<Problem> problems, findings;
  std::vector<Step> steps;
  std::vector<User> users;
  std::vector<Vm> vms;
  std::string diff, rom, report, sentence;
  KernelArguments kernel_arguments;
  std::vector<BootPolicy> policies;
  std::map<std::string, Failure> failures;  ///< by method, with arguments or without: "attach"
  bool wants_password{};                    ///< polkit would ask
  std::deque<Operation> course;  ///< what the operation looks like at each look; the last one stays
  std::deque<std::function<void()>>
      at_looks;  ///< what happens at each look at the objects, as long as any is left
  std::deque<std::function<void()>> at_listens, at_waits;  ///< likewise
  std::deque<Wake> wakes;  ///< what wait() ends with; `changed` when nothing is left
  std::vector<std::string> calls;
};

class CannedClient final : public Client {
 public:
  explicit CannedClient(Daemon& daemon) : daemon_(daemon) {}

 private:
  static void happen(std::deque<std::function<void()>>& events);
  void called(const std::string& method, const std::string& arguments = "");
  std::string started(const std::string& method, const std::string& arguments, const RequestOptions& options);

  Objects do_objects() override;
  Operation do_operation(const std::string& path) override;
  std::string do_attach(const std::string& gpu, const std::string& vm,
                        const RequestOptions& options) override;
  std::string do_release(const std::string& gpu, const RequestOptions& options) override;
  void do_cancel(const std::string& operation_path) override;
  std::vector<Problem> do_check(const std::string& gpu, const std::string& vm,
                                const RequestOptions& options) override;
  std::vector<Step> do_plan(const std::string& verb, const std::string& gpu, const std::string& vm,
                            const RequestOptions& options) override;
  std::vector<Problem> do_diagnose() override;
  std::vector<User> do_users(const std::string& gpu) override;
  std::vector<Vm> do_vms() override;
  std::vector<Problem> do_check_vm(const std::string& vm, const std::string& gpu) override;
  std::string do_setup_vm(const std::string& vm, const VmSetup& setup) override;
  std::string do_undo_vm(const std::string& vm, const VmSetup& setup) override;
  std::vector<Problem> do_check_looking_glass(const std::string& vm) override;
  std::string do_read_rom(const std::string& gpu, Interaction interaction) override;
  KernelArguments do_kernel_arguments() override;
  std::string do_plan_kernel_arguments(const KernelArgumentsWish& wish) override;
  std::string do_enable_kernel_arguments(const KernelArgumentsWish& wish, Interaction interaction) override;
  std::string do_undo_kernel_arguments(Interaction interaction) override;
  std::vector<BootPolicy> do_boot_policies() override;
  std::string do_set_boot_policy(const std::string& gpu, const std::string& side, bool migrate,
                                 Interaction interaction) override;
  std::string do_confirm_boot_policy(const std::string& gpu, Interaction interaction) override;
  std::vector<Problem> do_apply_boot_policy() override;
  std::string do_report() override;
  void do_listen(const std::string& path) override;
  Wake do_wait(int interrupt_fd) override;

  Daemon& daemon_;
};

/// What a run of the program left behind.
struct Outcome {
  int status{};
  std::string out, err;
};

/// The program with a canned daemon, piped unless told otherwise.
struct Program {
  Daemon daemon;
  bool terminal{}, person{}, root{}, no_color{true}, dumb{}, viewer_installed{};
  std::size_t width{};
  int agents_started{}, viewers_started{}, connections{};
  int connect_fails_after{-1};  ///< so many connections; -1: never
  std::string host;             ///< that it connected to
  std::FILE* stream{};          ///< where the output goes, if not to Outcome

  Outcome run(const std::vector<std::string>& arguments);
};

/// The hybrid laptop of the README: NVIDIA GPU with audio function alone in group 15, Intel GPU in group 0.
Objects reference_laptop();
/// The same with both functions on vfio-pci for the VM "win11".
Objects reference_laptop_with_vm();
Operation attach_operation(const std::string& state, const std::vector<std::string>& step_states);

}  // namespace gpuctl::cli::test
