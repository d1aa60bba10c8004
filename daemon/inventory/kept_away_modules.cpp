// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/kept_away_modules.hpp"

#include <libkmod.h>

#include <array>
#include <memory>
#include <string_view>

namespace gpuctl {
namespace {

struct Release {
  void operator()(kmod_ctx* context) const noexcept { kmod_unref(context); }
  void operator()(kmod_config_iter* entries) const noexcept { kmod_config_iter_free_iter(entries); }
};
using Context = std::unique_ptr<kmod_ctx, Release>;
using Entries = std::unique_ptr<kmod_config_iter, Release>;

/// Where modprobe looks, the most important first.
Context configuration(const std::filesystem::path& root) {
  const std::array<std::string, 5> directories{root / "etc/modprobe.d", root / "run/modprobe.d",
                                               root / "usr/local/lib/modprobe.d", root / "usr/lib/modprobe.d",
                                               root / "lib/modprobe.d"};
  std::array<const char*, directories.size() + 1> paths{};
  for (std::size_t i = 0; i < directories.size(); ++i) paths.at(i) = directories.at(i).c_str();
  return Context{kmod_new(nullptr, paths.data())};
}

template <typename Keeps>
void add(kmod_config_iter* all, std::set<std::string>& names, Keeps keeps) {
  const Entries entries{all};
  while (entries && kmod_config_iter_next(entries.get())) {
    const auto* value = kmod_config_iter_get_value(entries.get());
    if (keeps(std::string_view{value == nullptr ? "" : value}))
      names.emplace(kmod_config_iter_get_key(entries.get()));
  }
}

bool does_nothing(std::string_view command) {
  const auto program = command.substr(0, command.find(' '));
  return program.ends_with("/false") || program.ends_with("/true");
}

}  // namespace

std::set<std::string> kept_away_modules(const std::filesystem::path& root) {
  std::set<std::string> names;
  const auto context = configuration(root);
  if (!context) return names;
  add(kmod_config_get_blacklists(context.get()), names, [](auto) { return true; });
  add(kmod_config_get_install_commands(context.get()), names, does_nothing);
  add(kmod_config_get_aliases(context.get()), names, [](auto module) { return module == "off"; });
  return names;
}

}  // namespace gpuctl
