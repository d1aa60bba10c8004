// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/boot_files.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/file_edit.hpp"
#include "host/kernel_command_line.hpp"
#include "host/shell_file.hpp"
#include "host/text.hpp"

namespace gpuctl {
namespace {

/// What GRUB's tools read, in their order, as it is after `edits`.
std::map<std::string, std::string> grub_files(const RootDir& root, bool drop_ins, const FileEdits& edits) {
  std::map<std::string, std::string> files{{"etc/default/grub", root.text("etc/default/grub")}};
  if (drop_ins)
    for (const auto& name : root.list("etc/default/grub.d"))
      if (name.ends_with(".cfg"))
        files["etc/default/grub.d/" + name] = root.text("etc/default/grub.d/" + name);
  for (const auto& edit : edits) files[edit.path] = edit.after.value_or("");
  return files;
}

}  // namespace

std::vector<std::string> split_arguments(std::string_view line) {
  return KernelCommandLine(line).arguments();
}

std::vector<std::string> changed(std::vector<std::string> arguments, const ArgumentChange& change) {
  std::erase_if(arguments,
                [&](const auto& a) { return std::ranges::find(change.remove, a) != change.remove.end(); });
  for (const auto& argument : change.add)
    if (std::ranges::find(arguments, argument) == arguments.end()) arguments.push_back(argument);
  return arguments;
}

bool fulfils(const std::vector<std::string>& arguments, const ArgumentChange& change) {
  const auto there = [&](const auto& a) { return std::ranges::find(arguments, a) != arguments.end(); };
  return std::ranges::all_of(change.add, there) && std::ranges::none_of(change.remove, there);
}

ArgumentChange inverse(const ArgumentChange& change) { return {change.remove, change.add}; }

std::string joined(const std::vector<std::string>& arguments) {
  return fmt::format("{}", fmt::join(arguments, " "));
}

GrubArguments grub_arguments(const RootDir& root, bool drop_ins, const FileEdits& edits) {
  ShellVariables variables;
  for (const auto& [path, text] : grub_files(root, drop_ins, edits))
    read_into(variables, read_shell_file(text));
  return {split_arguments(variables["GRUB_CMDLINE_LINUX"] + " " + variables["GRUB_CMDLINE_LINUX_DEFAULT"]),
          split_arguments(variables["GRUB_CMDLINE_LINUX_RECOVERY"])};
}

std::string entry_options(const std::string& entry) {
  std::vector<std::string> all;
  for (const auto& line : lines(entry))
    if (line.starts_with("options ") || line.starts_with("options\t"))
      all.emplace_back(trimmed(line.substr(8)));
  return joined(all);
}

std::string with_options(const std::string& entry, const ArgumentChange& change) {
  auto all = lines(entry);
  bool added = false;
  for (auto& line : all) {
    if (!line.starts_with("options ") && !line.starts_with("options\t")) continue;
    const auto begin = line.find_first_not_of(" \t", 7);
    if (begin == std::string::npos) continue;
    // Several options lines count as one: what is new goes to the first.
    const ArgumentChange here{added ? std::vector<std::string>{} : change.add, change.remove};
    const auto arguments = split_arguments(line.substr(begin));
    const auto after = changed(arguments, here);
    if (after != arguments) line.replace(begin, std::string::npos, joined(after));
    added = true;
  }
  if (!added && !change.add.empty()) all.push_back("options " + joined(change.add));
  return fmt::format("{}{}", fmt::join(all, "\n"), entry.ends_with('\n') || entry.empty() ? "\n" : "");
}

std::vector<std::string> find_entries(const RootDir& root) {
  std::vector<std::string> found;
  for (const std::string directory : {"boot/loader/entries", "efi/loader/entries", "boot/efi/loader/entries"})
    for (const auto& name : root.list(directory)) {
      const auto path = directory + "/" + name;
      const auto text = root.text(path);
      const auto all = lines(text);
      const bool linux = std::ranges::any_of(
          all, [](const auto& l) { return l.starts_with("linux ") || l.starts_with("linux\t"); });
      if (name.ends_with(".conf") && linux) found.push_back(path);
    }
  return found;
}

bool installed(const RootDir& root, const std::string& program) {
  return root.exists("usr/sbin/" + program) || root.exists("usr/bin/" + program);
}

std::string loader_info(const RootDir& root) {
  const auto variable = root.text("sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f");
  std::string text;
  // Four bytes of attributes, then UTF-16LE; loaders write ASCII.
  for (std::size_t i = 4; i + 1 < variable.size() && (variable[i] != 0 || variable[i + 1] != 0); i += 2)
    text += variable[i];
  return text;
}

bool by_sdbootutil(const RootDir& root) {
  if (!installed(root, "sdbootutil") || !root.exists("etc/kernel/cmdline")) return false;
  ShellVariables variables;
  read_into(variables, read_shell_file(root.text("etc/sysconfig/bootloader")));
  return loader_info(root).starts_with("systemd-boot") || variables["LOADER_TYPE"] == "grub2-bls";
}

std::string arguments_diff(const std::vector<std::string>& before, const ArgumentChange& change) {
  const auto after = changed(before, change);
  if (after == before) return {};
  return fmt::format("--- kernel arguments now\n+++ kernel arguments after\n@@ -1 +1 @@\n-{}\n+{}\n",
                     joined(before), joined(after));
}

}  // namespace gpuctl
