// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "host/file_edit.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// A distribution's own tool, by a name of the fixed list in apply.cpp, with the arguments that vary.
struct ToolRun {
  std::string tool;
  std::vector<std::string> arguments;
  bool operator==(const ToolRun&) const = default;
};

/// Changes to the system's configuration, carried out by gpuctl-apply: gpuctld itself may neither write below
/// /etc nor run programs.
struct ApplyRequest {
  FileEdits edits;
  std::vector<ToolRun> tools;
  bool operator==(const ApplyRequest&) const = default;
};

std::string to_json(const ApplyRequest&);
/// Strict; throws Error(invalid_argument) for anything but what to_json writes.
ApplyRequest apply_request(std::string_view json);

/// The command as it will run. Throws Error(not_supported) for a tool that is not on the list or not
/// installed, and Error(invalid_argument) for an argument that is none for it (kernel arguments: no white
/// space, quotes or controls).
std::vector<std::string> command_of(const ToolRun&, const RootDir&);
/// For people: "update-grub".
std::string command_text(const ToolRun&);

/// Runs a command to its end; its exit status.
using ToolRunner = std::function<int(const std::vector<std::string>&)>;

/// Writes the edits, then runs the tools. If a tool fails, the edits are taken back, and what tools have
/// written stays; throws Error(state_unwritable) naming it.
void apply(const RootDir& root, const ApplyRequest& request, const ToolRunner& run);

}  // namespace gpuctl
