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

Exit list(Context& context);
Exit show(Context& context, const std::string& gpu);
Exit groups(Context& context, bool all);
Exit check(Context& context, const CheckArguments& arguments);
Exit attach(Context& context, const AttachArguments& arguments);
Exit release(Context& context, const ReleaseArguments& arguments);
Exit users(Context& context, const std::string& gpu);
Exit doctor(Context& context);
Exit operations(Context& context);
Exit cancel(Context& context, unsigned number);
Exit monitor(Context& context);
Exit vm_list(Context& context);
/// For shell completion: "gpus" or "vms", one word and its description a line; silent when there is no
/// answer.
Exit complete(Context& context, const std::string& kind);

}  // namespace gpuctl::cli
