// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/boot_files.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/file_edit.hpp"
#include "host/kernel_command_line.hpp"
#include "host/text.hpp"

namespace gpuctl {
namespace {

/// A line `NAME="words"`, `NAME='words'` or `NAME=word`, and where its words are in it.
struct Assignment {
  std::string name;
  bool appends{};              ///< NAME+=
  std::size_t begin{}, end{};  ///< of the value in the line, without quotes
  bool quoted{};
};

std::optional<Assignment> assignment(std::string_view line) {
  const auto start = line.find_first_not_of(" \t");
  const auto equals = line.find('=');
  if (start == std::string_view::npos || equals == std::string_view::npos || line[start] == '#')
    return std::nullopt;
  Assignment found;
  found.appends = equals > 0 && line[equals - 1] == '+';
  found.name = std::string(trimmed(line.substr(start, equals - start - (found.appends ? 1 : 0))));
  if (found.name.starts_with("export ")) found.name = std::string(trimmed(found.name.substr(7)));
  found.begin = equals + 1;
  const bool quote = found.begin < line.size() && (line[found.begin] == '"' || line[found.begin] == '\'');
  const auto close =
      quote ? line.find(line[found.begin], found.begin + 1) : line.find_first_of(" \t#", found.begin);
  found.quoted = quote && close != std::string_view::npos;
  if (found.quoted) ++found.begin;
  found.end = std::min(close, line.size());
  return found;
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

/// What a shell would hold in `variable` after reading `text`, given that it held `value` before.
std::string evaluated(const std::string& text, std::string_view variable, std::string value) {
  for (const auto& line : lines(text)) {
    const auto found = assignment(line);
    if (!found || found->name != variable) continue;
    auto words = line.substr(found->begin, found->end - found->begin);
    replace_all(words, fmt::format("${{{}}}", variable), value);
    replace_all(words, fmt::format("${}", variable), value);
    value = found->appends ? value + words : words;
  }
  return value;
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

std::string joined(const std::vector<std::string>& arguments) {
  return fmt::format("{}", fmt::join(arguments, " "));
}

std::string with_shell_words(const std::string& text, std::string_view variable,
                             const ArgumentChange& change) {
  auto all = lines(text);
  for (auto i = all.size(); i-- > 0;) {
    const auto found = assignment(all[i]);
    if (!found || found->name != variable) continue;
    auto words =
        joined(changed(split_arguments(all[i].substr(found->begin, found->end - found->begin)), change));
    if (!found->quoted) words = fmt::format("\"{}\"", words);
    all[i].replace(found->begin, found->end - found->begin, words);
    return joined({fmt::format("{}", fmt::join(all, "\n"))}) + (text.ends_with('\n') ? "\n" : "");
  }
  if (change.add.empty()) return text;
  const auto end = text.empty() || text.ends_with('\n') ? "" : "\n";
  return fmt::format("{}{}{}=\"{}\"\n", text, end, variable, joined(change.add));
}

std::vector<std::string> grub_arguments(const RootDir& root, bool drop_ins) {
  std::vector<std::string> paths{"etc/default/grub"};
  if (drop_ins)
    for (const auto& name : root.list("etc/default/grub.d"))
      if (name.ends_with(".cfg")) paths.push_back("etc/default/grub.d/" + name);
  std::string plain;
  std::string normal;
  for (const auto& path : paths) {
    const auto text = root.text(path);
    plain = evaluated(text, "GRUB_CMDLINE_LINUX", plain);
    normal = evaluated(text, "GRUB_CMDLINE_LINUX_DEFAULT", normal);
  }
  return split_arguments(plain + " " + normal);
}

std::vector<std::string> grub_cfg_lines(const std::string& grub_cfg) {
  std::vector<std::string> found;
  for (const auto& line : lines(grub_cfg)) {
    const auto text = trimmed(line);
    if (!text.starts_with("linux\t") && !text.starts_with("linux ") && !text.starts_with("linuxefi"))
      continue;
    auto arguments = words(text);
    if (arguments.size() < 2 || std::ranges::find(arguments, "single") != arguments.end()) continue;
    arguments.erase(arguments.begin(), arguments.begin() + 2);
    found.push_back(joined(arguments));
  }
  return found;
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

std::string loader_info(const RootDir& root) {
  const auto variable = root.text("sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f");
  std::string text;
  // Four bytes of attributes, then UTF-16LE; loaders write ASCII.
  for (std::size_t i = 4; i + 1 < variable.size() && (variable[i] != 0 || variable[i + 1] != 0); i += 2)
    text += variable[i];
  return text;
}

std::string arguments_diff(const std::vector<std::string>& before, const ArgumentChange& change) {
  const auto after = changed(before, change);
  if (after == before) return {};
  return fmt::format("--- kernel arguments now\n+++ kernel arguments after\n@@ -1 +1 @@\n-{}\n+{}\n",
                     joined(before), joined(after));
}

}  // namespace gpuctl
