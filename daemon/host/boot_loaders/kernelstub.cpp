// SPDX-License-Identifier: GPL-2.0-or-later
#include <nlohmann/json.hpp>

#include "host/boot_files.hpp"
#include "host/boot_loader.hpp"

namespace gpuctl {
namespace {

constexpr auto configuration = "etc/kernelstub/configuration";

/// NAME-current.conf is the one that kernelstub keeps; Recovery-UUID.conf, an old kernel's and those of other
/// systems on the same partition need not have the arguments.
bool is_current(const std::string& entry) { return entry.ends_with("-current.conf"); }

/// Pop!_OS: kernelstub keeps the arguments in its configuration and writes the entry at once.
class Kernelstub : public BootLoader {
 public:
  std::string_view id() const override { return "kernelstub"; }
  std::string description() const override { return "kernelstub (Pop!_OS)"; }
  bool in_use(const RootDir& root) const override {
    return root.exists("usr/bin/kernelstub") && root.exists(configuration);
  }

  std::vector<std::string> configured(const RootDir& root) const override {
    const auto json = nlohmann::json::parse(root.text(configuration), nullptr, false);
    if (!json.is_object() || !json.contains("user")) return {};
    const auto options = json["user"].value("kernel_options", nlohmann::json::array());
    std::vector<std::string> found;
    for (const auto& option : options)
      if (option.is_string()) found.push_back(option.get<std::string>());
    return found;
  }

  ConfigChange plan(const RootDir& root, const ArgumentChange& change) const override {
    ConfigChange planned;
    if (!change.remove.empty()) planned.request.tools.push_back({"kernelstub-remove", change.remove});
    if (!change.add.empty()) planned.request.tools.push_back({"kernelstub-add", change.add});
    planned.tool_diff = arguments_diff(configured(root), change);
    planned.watched = find_entries(root);
    planned.watched.emplace_back(configuration);
    return planned;
  }

  std::vector<std::string> effective(const RootDir& root) const override {
    std::vector<std::string> found;
    for (const auto& path : find_entries(root))
      if (is_current(path)) found.push_back(entry_options(root.text(path)));
    return found;
  }
};

/// Silverblue, Bazzite and the like: arguments belong to a deployment; the next one is written while shutting
/// down.
class RpmOstree : public BootLoader {
 public:
  std::string_view id() const override { return "rpm-ostree"; }
  std::string description() const override { return "rpm-ostree kargs (Fedora Atomic, Bazzite)"; }
  bool in_use(const RootDir& root) const override {
    return root.exists("run/ostree-booted") && root.exists("usr/bin/rpm-ostree");
  }
  std::vector<std::string> configured(const RootDir& root) const override {
    const auto entries = find_entries(root);  // ostree-1.conf, ostree-2.conf: the last boots first
    return entries.empty() ? std::vector<std::string>{}
                           : split_arguments(entry_options(root.text(entries.back())));
  }
  ConfigChange plan(const RootDir& root, const ArgumentChange& change) const override {
    ConfigChange planned;
    if (!change.remove.empty()) planned.request.tools.push_back({"rpm-ostree-remove", change.remove});
    if (!change.add.empty()) planned.request.tools.push_back({"rpm-ostree-add", change.add});
    planned.unseen = planned.request.tools.size() > 1;
    planned.tool_diff = arguments_diff(configured(root), change);
    return planned;
  }
  std::vector<std::string> effective(const RootDir&) const override { return {}; }
};

}  // namespace

const BootLoader& kernelstub() {
  static const Kernelstub loader;
  return loader;
}

const BootLoader& rpm_ostree() {
  static const RpmOstree loader;
  return loader;
}

}  // namespace gpuctl
