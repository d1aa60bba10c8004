// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/config.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fmt/format.h>

namespace gpuctl {
namespace {

constexpr auto main_file = "etc/gpuctl/gpuctl.toml";
constexpr auto drop_ins = "etc/gpuctl/gpuctl.toml.d";
constexpr std::size_t max_size = 1 << 20;

/// A forced look asks for the users twice, waits after SIGTERM and after SIGKILL, and asks once more.
constexpr int forced_waits = 5;

ConfigProblem unusable(const std::string& file, const std::string& why) {
  return {Severity::blocker, file, 0, 0, why};
}

/// Why the settings of an existing file must not be used; nothing if they may.
std::optional<std::string> distrust(const struct stat& file) {
  if (!S_ISREG(file.st_mode)) return "is no regular file";
  if (file.st_uid != 0 && file.st_uid != ::geteuid()) return "is not used, for it does not belong to root";
  if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return "is not used, for others than its owner may write it: chmod go-w";
  if (static_cast<std::size_t>(file.st_size) > max_size) return "is not used, for it is larger than 1 MiB";
  return std::nullopt;
}

void load_file(const RootDir& root, const std::string& path, LoadedConfig& loaded) {
  const auto shown = "/" + path;
  struct stat file {};
  if (::fstatat(root.fd(), path.c_str(), &file, 0) != 0) {
    if (errno != ENOENT) loaded.problems.push_back(unusable(shown, std::strerror(errno)));
    return;
  }
  if (const auto why = distrust(file)) return loaded.problems.push_back(unusable(shown, *why));
  const auto text = root.read(path, max_size);
  if (!text) return loaded.problems.push_back(unusable(shown, "cannot be read"));
  auto parsed = parse_config(*text, shown, std::move(loaded.config));
  loaded.config = std::move(parsed.config);
  std::ranges::move(parsed.problems, std::back_inserter(loaded.problems));
}

}  // namespace

TimeoutConfig Config::step_timeouts() const {
  auto all = timeouts;
  all.settle = quiesce.settle;
  return all;
}

std::chrono::seconds TimeoutConfig::of(StepKind kind, bool forced) const {
  switch (kind) {
    case StepKind::stop_unit:
    case StepKind::start_unit:
      return unit;
    case StepKind::load_module:
    case StepKind::unload_module:
      return module;
    case StepKind::bind:
    case StepKind::rescan:
      return bind;
    case StepKind::reset:
      return 2 * bind;  // the kernel itself waits a minute for the function to answer (pci_dev_wait)
    case StepKind::unbind:
    case StepKind::remove:
      return unbind;
    case StepKind::vm_add_devices:
    case StepKind::vm_remove_devices:
    case StepKind::vm_plug:
    case StepKind::vm_unplug:
    case StepKind::vm_start:
    case StepKind::vm_stop:
      return vm;
    case StepKind::check_users:
      return other + settle * (forced ? forced_waits : 1);
    default:
      return other;
  }
}

std::string ConfigProblem::str() const {
  const auto position = line == 0 ? std::string{} : fmt::format("{}:{}:", line, column);
  return fmt::format("{}:{} {}: {}", file, position, severity == Severity::blocker ? "error" : "warning",
                     message);
}

bool LoadedConfig::ok() const {
  return std::ranges::none_of(problems, [](const auto& p) { return p.severity == Severity::blocker; });
}

LoadedConfig load_config(const RootDir& root) {
  LoadedConfig loaded;
  load_file(root, main_file, loaded);
  for (const auto& name : root.list(drop_ins))
    if (name.ends_with(".toml") && !name.starts_with('.'))
      load_file(root, fmt::format("{}/{}", drop_ins, name), loaded);
  return loaded;
}

int report(const LoadedConfig& loaded, std::FILE* to) {
  for (const auto& problem : loaded.problems) fmt::print(to, "{}\n", problem.str());
  return loaded.ok() ? 0 : 1;
}

}  // namespace gpuctl
