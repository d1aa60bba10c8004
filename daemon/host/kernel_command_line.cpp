// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/kernel_command_line.hpp"

#include <algorithm>
#include <utility>

#include "host/text.hpp"

namespace gpuctl {
namespace {

struct KeyValue {
  std::string key, value;
};

KeyValue parse(std::string_view argument) {
  const auto equals = argument.find('=');
  if (equals == std::string_view::npos) return {with_underscores(argument), {}};
  auto value = argument.substr(equals + 1);
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  return {with_underscores(argument.substr(0, equals)), std::string(value)};
}

}  // namespace

KernelCommandLine::KernelCommandLine(std::string_view text) {
  std::string argument;
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    const bool white = c == ' ' || c == '\t' || c == '\n';
    if (!white || quoted) {
      argument += c;
    } else if (!argument.empty()) {
      arguments_.push_back(std::exchange(argument, {}));
    }
  }
  if (!argument.empty()) arguments_.push_back(argument);
}

bool KernelCommandLine::has(std::string_view argument) const {
  return std::ranges::find(arguments_, argument) != arguments_.end();
}

std::optional<std::string> KernelCommandLine::value(std::string_view key) const {
  const auto wanted = with_underscores(key);
  std::optional<std::string> last;
  for (const auto& argument : arguments_)
    if (const auto [name, value] = parse(argument); name == wanted) last = value;
  return last;
}

std::vector<std::string> KernelCommandLine::list(std::string_view key) const {
  const auto wanted = with_underscores(key);
  std::vector<std::string> all;
  for (const auto& argument : arguments_) {
    const auto [name, value] = parse(argument);
    if (name != wanted) continue;
    for (const auto& part : split(value, ','))
      if (!part.empty()) all.push_back(part);
  }
  return all;
}

}  // namespace gpuctl
