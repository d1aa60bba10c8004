// SPDX-License-Identifier: GPL-2.0-or-later
// One function a verb, each in the file of its name. They print through the context's console and throw
// Failure.
#pragma once
#include <string>

#include "cli/context.hpp"
#include "cli/error_text.hpp"

namespace gpuctl::cli {

struct CheckArguments {
  std::string vm, gpu;
  RequestOptions options;
};

struct AttachArguments {
  std::string vm, gpu;
  RequestOptions options;
  bool dry_run{}, wait{true}, view{};
};

struct ReleaseArguments {
  std::string gpu;
  RequestOptions options;
  bool dry_run{}, wait{true};
};

struct VmSetupArguments {
  std::string vm;
  VmSetup setup;
  bool undo{};
};

struct RomDumpArguments {
  std::string source, output;
  bool raw{};
};

Exit list(Context& context);
Exit show(Context& context, const std::string& gpu);
Exit groups(Context& context, bool all);
Exit check(Context& context, const CheckArguments& arguments);
Exit attach(Context& context, const AttachArguments& arguments);
Exit release(Context& context, const ReleaseArguments& arguments);
Exit users(Context& context, const std::string& gpu);
/// `report_file` is written for a bug report; "" = none.
Exit doctor(Context& context, const std::string& report_file);
Exit operations(Context& context);
Exit cancel(Context& context, unsigned number);
Exit monitor(Context& context);
Exit vm_list(Context& context);
Exit vm_check(Context& context, const std::string& vm, const std::string& gpu);
Exit vm_setup(Context& context, const VmSetupArguments& arguments);
Exit looking_glass_check(Context& context, const std::string& vm);
/// A ROM is read from a GPU, or from a file if the argument has a slash or is the name of one.
Exit rom_show(Context& context, const std::string& gpu_or_file);
Exit rom_check(Context& context, const std::string& gpu_or_file);
Exit rom_dump(Context& context, const RomDumpArguments& arguments);
Exit kernel_args_show(Context& context);
Exit kernel_args_plan(Context& context, const KernelArgumentsWish& wish);
Exit kernel_args_enable(Context& context, const KernelArgumentsWish& wish);
Exit kernel_args_undo(Context& context);
Exit boot_show(Context& context);
/// Side vm, host, last or clear; clear needs no GPU where only one has a policy.
Exit boot_set(Context& context, const std::string& gpu, const std::string& side, bool migrate);
/// Without a GPU: every policy on trial.
Exit boot_confirm(Context& context, const std::string& gpu);
/// For gpuctl-boot.service.
Exit boot_apply(Context& context);
/// For shell completion: "gpus" or "vms", one word and its description a line; silent when there is no
/// answer.
Exit complete(Context& context, const std::string& kind);

}  // namespace gpuctl::cli
