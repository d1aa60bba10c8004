// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpuctl {

/// Kernel arguments as Linux splits them (lib/cmdline.c next_arg): white space separates, double quotes hold
/// together.
class KernelCommandLine {
 public:
  explicit KernelCommandLine(std::string_view text);

  const std::vector<std::string>& arguments() const { return arguments_; }
  /// The argument as a whole, e.g. "intel_iommu=on" or "quiet".
  bool has(std::string_view argument) const;
  /// Value of the last "key=value"; "" for a bare key; nothing if absent. - and _ in the key are the same.
  std::optional<std::string> value(std::string_view key) const;
  /// Comma-separated parts of every "key=..." together.
  std::vector<std::string> list(std::string_view key) const;

 private:
  std::vector<std::string> arguments_;
};

}  // namespace gpuctl
