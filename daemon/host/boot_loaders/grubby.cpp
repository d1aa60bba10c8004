// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include "host/boot_files.hpp"
#include "host/boot_loader.hpp"
#include "host/text.hpp"

namespace gpuctl {
namespace {

/// GRUB's environment block: NAME=value lines, padded with '#'.
std::string kernelopts(const RootDir& root) {
  for (const auto& line : lines(root.text("boot/grub2/grubenv")))
    if (line.starts_with("kernelopts=")) return line.substr(11);
  return {};
}

std::string options_of(const RootDir& root, const std::string& path) {
  auto options = entry_options(root.text(path));
  if (const auto at = options.find("$kernelopts"); at != std::string::npos)
    options.replace(at, 11, kernelopts(root));
  return options;
}

/// Fedora and RHEL: Boot Loader Specification entries that grubby edits, together with what new kernels will
/// get.
class Grubby : public BootLoader {
 public:
  std::string_view id() const override { return "grubby"; }
  std::string description() const override { return "boot loader entries kept by grubby (Fedora, RHEL)"; }
  bool in_use(const RootDir& root) const override {
    return installed(root, "grubby") && !find_entries(root).empty();
  }
  std::vector<std::string> configured(const RootDir& root) const override {
    const auto entries = find_entries(root);
    return entries.empty() ? std::vector<std::string>{} : split_arguments(options_of(root, entries.back()));
  }

  ConfigChange plan(const RootDir& root, const ArgumentChange& change) const override {
    ConfigChange planned;
    if (!change.remove.empty()) planned.request.tools.push_back({"grubby-remove", change.remove});
    if (!change.add.empty()) planned.request.tools.push_back({"grubby-add", change.add});
    planned.tool_diff = arguments_diff(configured(root), change);
    planned.watched = find_entries(root);
    for (const auto* path : {"etc/default/grub", "etc/kernel/cmdline", "boot/grub2/grubenv"})
      if (root.exists(path)) planned.watched.emplace_back(path);
    return planned;
  }

  std::vector<std::string> effective(const RootDir& root) const override {
    std::vector<std::string> found;
    for (const auto& path : find_entries(root)) found.push_back(options_of(root, path));
    return found;
  }
};

}  // namespace

const BootLoader& grubby() {
  static const Grubby loader;
  return loader;
}

}  // namespace gpuctl
