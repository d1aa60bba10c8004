// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/boot_files.hpp"
#include "host/boot_loader.hpp"
#include "host/shell_file.hpp"
#include "host/text.hpp"

namespace gpuctl {
namespace {

constexpr auto defaults = "etc/default/grub";
constexpr auto drop_in = "etc/default/grub.d/90-gpuctl.cfg";
constexpr auto variable = "GRUB_CMDLINE_LINUX_DEFAULT";
constexpr auto generated = "boot/grub/grub.cfg";

/// Upstream's grub-mkconfig does not, and Manjaro's and Void's update-grub run that one.
bool mkconfig_reads_drop_ins(const RootDir& root) {
  return std::ranges::any_of(std::array{"usr/sbin/grub-mkconfig", "usr/bin/grub-mkconfig"}, [&](auto path) {
    return root.text(path).find("default/grub.d") != std::string::npos;
  });
}

/// Where the words to remove stand in either variable of /etc/default/grub.
std::string without(const std::string& text, const std::vector<std::string>& remove) {
  return with_shell_words(with_shell_words(text, "GRUB_CMDLINE_LINUX", {{}, remove}), variable, {{}, remove});
}

std::string by_hand(const ArgumentChange& change, const std::string& tool) {
  std::vector<std::string> parts;
  if (!change.add.empty()) parts.push_back(fmt::format("add \"{}\" to {}", joined(change.add), variable));
  if (!change.remove.empty()) parts.push_back(fmt::format("take \"{}\" out", joined(change.remove)));
  return fmt::format("{} by hand, then run `sudo {}` and reboot", fmt::join(parts, " and "), tool);
}

/// Words that an expansion makes, or a file that is read later and sets the variable anew.
std::string obstacle(const RootDir& root, bool drop_ins, const ArgumentChange& change,
                     const ConfigChange& planned) {
  if (fulfils(grub_arguments(root, drop_ins, planned.request.edits).normal, change)) return {};
  return fmt::format("/{}{} sets the kernel arguments in a way that gpuctl cannot change: {}", defaults,
                     drop_ins ? " (or a file of /etc/default/grub.d)" : "",
                     by_hand(change, command_text(planned.request.tools.front())));
}

/// Debian and Ubuntu source /etc/default/grub.d/*.cfg after /etc/default/grub, so a file of our own is enough
/// to add.
class GrubDropIn : public BootLoader {
 public:
  std::string_view id() const override { return "grub-drop-in"; }
  std::string description() const override {
    return "GRUB with /etc/default/grub.d (Debian, Ubuntu): update-grub";
  }
  bool in_use(const RootDir& root) const override {
    return root.exists(defaults) && installed(root, "update-grub") && mkconfig_reads_drop_ins(root);
  }
  std::vector<std::string> configured(const RootDir& root) const override {
    return grub_arguments(root, true).normal;
  }

  ConfigChange plan(const RootDir& root, const ArgumentChange& change) const override {
    ConfigChange planned{{{}, {{"update-grub", {}}}}, "", {generated}, "", false};
    const auto add = [&](const char* path, const std::optional<std::string>& before,
                         const std::optional<std::string>& after) {
      if (before != after) planned.request.edits.push_back({path, before, after});
    };
    const auto own = read_exactly(root, drop_in);
    add(drop_in, own, own_file(changed(own_arguments(own.value_or("")), change)));
    for (const auto& path : others(root))
      if (const auto text = read_exactly(root, path)) add(path.c_str(), text, without(*text, change.remove));
    planned.obstacle = obstacle(root, true, change, planned);
    return planned;
  }

  std::vector<std::string> effective(const RootDir& root) const override {
    return grub_cfg_lines(root.read(generated, 1U << 20U).value_or(""), grub_arguments(root, true).recovery);
  }

 private:
  static constexpr std::string_view prefix = "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT ";

  /// Where somebody else may have put an argument that has to go.
  static std::vector<std::string> others(const RootDir& root) {
    std::vector<std::string> paths{defaults};
    for (const auto& name : root.list("etc/default/grub.d"))
      if (const auto path = "etc/default/grub.d/" + name; name.ends_with(".cfg") && path != drop_in)
        paths.push_back(path);
    return paths;
  }

  static std::vector<std::string> own_arguments(const std::string& text) {
    for (const auto& line : lines(text))
      if (line.starts_with(prefix) && line.ends_with('"'))
        return split_arguments(line.substr(prefix.size(), line.size() - prefix.size() - 1));
    return {};
  }

  static std::optional<std::string> own_file(const std::vector<std::string>& arguments) {
    if (arguments.empty()) return std::nullopt;
    return fmt::format("# Written by gpuctl; `gpuctl kernel-args undo` removes it.\n{}{}\"\n", prefix,
                       joined(arguments));
  }
};

/// Elsewhere the one file is edited. grub2-mkconfig is Fedora's and openSUSE's name for the same tool.
class GrubDefaults : public BootLoader {
 public:
  std::string_view id() const override { return "grub-defaults"; }
  std::string description() const override { return "GRUB with /etc/default/grub: grub-mkconfig"; }
  bool in_use(const RootDir& root) const override { return root.exists(defaults) && !tool(root).empty(); }
  std::vector<std::string> configured(const RootDir& root) const override {
    return grub_arguments(root, false).normal;
  }

  ConfigChange plan(const RootDir& root, const ArgumentChange& change) const override {
    const auto text = read_exactly(root, defaults).value_or("");
    const auto after = with_shell_words(without(text, change.remove), variable, {change.add, {}});
    ConfigChange planned{{{}, {{tool(root), {}}}}, "", {target(root)}, "", false};
    if (after != text) planned.request.edits.push_back({defaults, text, after});
    planned.obstacle = read_shell_file(text).whole ? obstacle(root, false, change, planned) : not_closed();
    return planned;
  }

  std::vector<std::string> effective(const RootDir& root) const override {
    return grub_cfg_lines(root.read(target(root), 1U << 20U).value_or(""),
                          grub_arguments(root, false).recovery);
  }

 private:
  static std::string tool(const RootDir& root) {
    if (installed(root, "grub2-mkconfig")) return "grub2-mkconfig";
    return installed(root, "grub-mkconfig") ? "grub-mkconfig" : "";
  }
  static std::string not_closed() {
    return fmt::format(
        "/{0} has a quote that is not closed: `sh -n /{0}` shows where; correct it, then try again",
        defaults);
  }
  /// What the tool writes: the -o of host/apply.cpp.
  static std::string target(const RootDir& root) {
    return tool(root) == "grub2-mkconfig" ? "boot/grub2/grub.cfg" : generated;
  }
};

}  // namespace

const BootLoader& grub_drop_in() {
  static const GrubDropIn loader;
  return loader;
}

const BootLoader& grub_defaults() {
  static const GrubDefaults loader;
  return loader;
}

}  // namespace gpuctl
