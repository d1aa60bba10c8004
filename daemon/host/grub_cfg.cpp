// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include "host/boot_files.hpp"
#include "host/text.hpp"

namespace gpuctl {
namespace {

constexpr std::string_view section_begin = "### BEGIN /etc/grub.d/";

/// 10_linux and its variants (10_linux_zfs): this system's own kernels. memtest86+, other systems found by
/// os-prober and hand-written entries take no arguments from /etc/default/grub.
bool is_of_this_system(std::string_view section) {
  const auto name = section.substr(std::min(section.find('_'), section.size()));
  return name == "_linux" || name.starts_with("_linux_");
}

bool loads_linux(std::string_view line) {
  const auto all = words(line);
  return all.size() > 1 && (all[0] == "linux" || all[0] == "linuxefi" || all[0] == "linux16");
}

/// GRUB_CMDLINE_LINUX_RECOVERY takes the place of GRUB_CMDLINE_LINUX_DEFAULT in these.
bool is_recovery(std::string_view menu_entry, std::string_view line,
                 const std::vector<std::string>& recovery) {
  const auto all = words(line);
  const auto has = [&](const std::string& word) { return std::ranges::find(all, word) != all.end(); };
  return menu_entry.find("-recovery-") != std::string_view::npos || has("single") || has("recovery") ||
         (!recovery.empty() && std::ranges::all_of(recovery, has));
}

std::string arguments_of(std::string_view line) {
  auto all = words(line);
  all.erase(all.begin(), all.begin() + 2);
  return joined(all);
}

}  // namespace

std::vector<std::string> grub_cfg_lines(const std::string& grub_cfg,
                                        const std::vector<std::string>& recovery) {
  const bool sections = grub_cfg.find(section_begin) != std::string::npos;
  bool ours = !sections;
  std::string menu_entry;
  std::vector<std::string> found;
  for (const auto& line : lines(grub_cfg)) {
    const auto text = trimmed(line);
    if (text.starts_with(section_begin))
      ours = is_of_this_system(words(text.substr(section_begin.size())).at(0));
    if (text.starts_with("menuentry ")) menu_entry = text;
    if (ours && loads_linux(text) && !is_recovery(menu_entry, text, recovery))
      found.push_back(arguments_of(text));
  }
  return found;
}

}  // namespace gpuctl
