// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bus/value_sink.hpp"
#include "core/devices.hpp"
#include "core/error.hpp"
#include "core/problem.hpp"
#include "core/step.hpp"
#include "operations/operation.hpp"
#include "operations/request.hpp"
#include "sdbus_compat.hpp"

/// Core values as D-Bus types and back; the only place that knows both.
namespace gpuctl::wire {

using Dict = std::map<std::string, sdbus::Variant>;
using PlannedStep = sdbus::Struct<std::string, std::string, std::string>;
using ShownStep = sdbus::Struct<std::string, std::string, std::string, std::string>;

/// Options of Attach, Release, Check and Plan.
struct Options {
  bool interactive{true};
  bool force{};
  bool live{};
  bool start{};
  bool keep{};
  bool reset{};
  bool rescan{};
};

/// Throws Error(invalid_argument) naming an unknown key, or a key of the wrong type.
Options options(const Dict& dict, const std::vector<std::string_view>& known);
/// Throws Error(invalid_argument) for what contradicts itself: two revivals, a VM's options without a VM, a
/// release with one.
Request request(Verb verb, std::string gpu, std::string vm, const Options& options);

/// At most 256 bytes of UTF-8 without control characters, else Error(invalid_argument).
void require_plain(std::string_view what, std::string_view text);

Dict problem(const Problem& problem);
std::vector<Dict> problems(const Problems& problems);

inline constexpr auto functions_type = "a(sssssasssasssss)";
/// Those of `functions` that the snapshot knows.
void write_functions(const std::vector<PciAddress>& functions, const Snapshot& snapshot, ValueSink& sink);
inline constexpr auto problems_type = "aa{sv}";
void write(const Problems& problems, ValueSink& sink);

std::vector<PlannedStep> plan(const Plan& plan);
std::vector<ShownStep> steps(const Operation& operation);
sdbus::Error error(const Error& error);

std::string gpu_path(PciSlot slot);
std::string group_path(unsigned number);
std::string operation_path(unsigned id);

/// D-Bus strings must be UTF-8; what is not becomes '?'.
std::string utf8(std::string_view text);

}  // namespace gpuctl::wire
