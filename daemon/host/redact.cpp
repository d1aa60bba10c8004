// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/redact.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <regex>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/text.hpp"

namespace gpuctl {
namespace {

struct Rule {
  std::regex pattern;
  const char* replacement;
};

const std::regex::flag_type rule_flags = std::regex::icase | std::regex::optimize | std::regex::ECMAScript;

const std::vector<Rule>& rules() {
  static const std::vector<Rule> all{
      {std::regex(R"(\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)", rule_flags),
       "00000000-0000-0000-0000-000000000000"},
      {std::regex(R"(\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b)", rule_flags), "00:00:00:00:00:00"},
      {std::regex(R"(\b[0-9a-f]{32}\b)", rule_flags), "00000000000000000000000000000000"},
      {std::regex(R"((/dev/disk/by-(id|label|partlabel|path)/)[^ ,;:"']+)", rule_flags), "$1redacted"},
      {std::regex(R"(\b(\d{1,3}\.){3}\d{1,3}\b)", rule_flags), "0.0.0.0"},
      {std::regex(R"((://)[^/@ ]+@)", rule_flags), "$1redacted@"},
      // not the instance of a unit
      {std::regex(
           R"([\w.+-]+@(?![\w.-]*\.(service|socket|timer|path|mount|target|slice)\b)[\w-]+(\.[\w-]+)+)",
           rule_flags),
       "user@redacted"},
      {std::regex(R"((/(home|media)/)[^/ "']+)", rule_flags), "$1user"},
      {std::regex(R"((serial\w*\}?\s*==?\s*"?)[^", ]+)", rule_flags), "$1redacted"},
  };
  return all;
}

std::string by_rules(std::string line) {
  for (const auto& rule : rules()) line = std::regex_replace(line, rule.pattern, rule.replacement);
  return line;
}

bool is_word_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

void replace_word(std::string& text, const std::string& word, const std::string& stand_in) {
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at)) {
    const auto end = at + word.size();
    const bool whole = (at == 0 || !is_word_character(text[at - 1])) &&
                       (end == text.size() || !is_word_character(text[end]));
    if (whole) text.replace(at, word.size(), stand_in);
    at += whole ? stand_in.size() : 1;
  }
}

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// What an installer gives says nothing about anybody, and words of these files are needed where they stand.
bool is_telling(const std::string& name) {
  static constexpr std::array common{
      "localhost", "debian", "ubuntu", "fedora",  "arch",    "archlinux", "linux",  "bazzite",
      "pop-os",    "pop",    "host",   "nixos",   "server",  "opensuse",  "nvidia", "nouveau",
      "amdgpu",    "vfio",   "kvm",    "qemu",    "libvirt", "kernel",    "module", "modules",
      "boot",      "user",   "admin",  "root",    "usr",     "lib",       "etc",    "sys",
      "run",       "proc",   "pci",    "drivers", "devices", "iommu",     "gpu",    "display"};
  return std::ranges::find(common, lower_case(name)) == common.end();
}

/// Device mapper doubles hyphens: a volume group "anna-laptop-vg" is /dev/mapper/anna--laptop--vg-root.
std::string mapped(const std::string& name) {
  std::string doubled;
  for (const char c : name) doubled += c == '-' ? std::string("--") : std::string{c};
  return doubled;
}

bool is_comment(std::string_view line) { return trimmed(line).starts_with('#'); }

/// Files written by people: only lines that checks look at go into a report.
bool is_configuration(std::string_view path) {
  static constexpr std::array directories{"/rules.d/", "/modprobe.d/", "/tmpfiles.d/",
                                          "/hooks/",   "/init-top/",   "/modules.builtin"};
  return std::ranges::any_of(directories, [&](auto d) { return path.find(d) != std::string_view::npos; });
}

bool is_relevant(std::string_view line) {
  static constexpr std::array needles{"vfio",       "nvidia", "nouveau", "kvm",     "driver_override",
                                      "{remove}",   "kvmfr",  "iommu",   "gpuctl",  "looking-glass",
                                      "nodedev",    "vhost",  "\"tun\"", "/tun.ko", "blacklist tun",
                                      "install tun"};
  return std::ranges::any_of(needles, [&](auto n) { return line.find(n) != std::string_view::npos; });
}

/// Does a check look at this line of this file?
bool is_looked_at(std::string_view path, std::string_view line) {
  if (path.starts_with("sys/") || path.starts_with("proc/")) return true;
  if (is_comment(line)) return false;
  if (path.starts_with("etc/default/grub")) return line.find("GRUB_CMDLINE_LINUX") != std::string_view::npos;
  if (path.find("/loader/entries/") != std::string_view::npos)
    return line.starts_with("linux") || line.starts_with("options");
  return !is_configuration(path) || is_relevant(line);
}

template <class Keep>
std::string kept_lines(std::string_view text, Keep keep) {
  auto all = lines(text);
  std::erase_if(all, [&](const auto& line) { return !keep(line); });
  return fmt::format("{}", fmt::join(all, "\n"));
}

/// Where arguments of the kernel are kept. Anything may be among them: keys of disks, addresses, passwords.
bool holds_arguments(std::string_view path) {
  static constexpr std::array places{"cmdline", "etc/default/grub", "/loader/entries/", "kernelstub/",
                                     "grubenv"};
  return std::ranges::any_of(places, [&](auto place) { return path.find(place) != std::string_view::npos; });
}

/// Arguments whose values checks look at; the rest only has a name in a report.
bool is_known_argument(std::string_view key) {
  static constexpr std::array known{"intel_iommu",
                                    "amd_iommu",
                                    "iommu",
                                    "intremap",
                                    "vfio",
                                    "kvm",
                                    "nvidia",
                                    "nouveau",
                                    "modprobe.blacklist",
                                    "module_blacklist",
                                    "rd.driver",
                                    "pci",
                                    "video",
                                    "gpuctl",
                                    "BOOT_IMAGE"};
  return std::ranges::any_of(known, [&](std::string_view k) { return key.starts_with(k); });
}

std::string without_value(const std::string& word) {
  const auto equals = word.find('=');
  if (equals == std::string::npos) return word;
  const auto key = word.substr(0, equals);
  if (key.starts_with("GRUB_CMDLINE_LINUX") || key == "kernelopts")
    return key + "=" + without_value(word.substr(equals + 1));
  return is_known_argument(key) ? word : key + "=redacted";
}

/// Words are what blanks and quotes divide: a line of arguments, or a shell variable or JSON list of them.
std::string known_arguments(std::string_view line) {
  constexpr std::string_view dividers = " \t\"'";
  std::string result;
  while (!line.empty()) {
    const auto end = std::min(line.find_first_of(dividers), line.size());
    result += without_value(std::string(line.substr(0, end)));
    if (end < line.size()) result += line[end];
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return result;
}

/// One line tells whether interrupts are remapped.
std::string first_with(std::string_view text, std::initializer_list<std::string_view> needles) {
  const auto all = lines(text);
  for (const auto needle : needles)
    for (const auto& line : all)
      if (line.find(needle) != std::string::npos) return line;
  return {};
}

/// All processors are alike in what is looked at.
std::string first_processor(std::string_view cpuinfo) {
  return std::string(cpuinfo.substr(0, cpuinfo.find("\n\n")));
}

}  // namespace

Redactor::Redactor(const RootDir& root, uid_t caller) : caller_(caller) {
  for (const auto* path : {"etc/hostname", "proc/sys/kernel/hostname"}) {
    const auto name = root.text(path);
    for (const auto& each : {name, name.substr(0, name.find('.'))})
      if (each.size() > 2) hide(each, "hostname");
  }
  for (const auto& line : lines(root.text("etc/passwd"))) {
    const auto fields = split(line, ':');
    if (fields.size() < 5) continue;
    const auto uid = std::strtoul(fields[2].c_str(), nullptr, 10);
    constexpr unsigned long first_person = 1000;  // login.defs(5) UID_MIN; directories give high ones
    constexpr unsigned long nobody = 65534;
    if (uid < first_person || uid == nobody) continue;
    hide(fields[0], fmt::format("user{}", uid));
    for (const auto& word : words(fields[4].substr(0, fields[4].find(','))))
      if (word.size() > 2) hide(word, "Name");
  }
  // Longer names first: "anna" must not split "anna-lena".
  std::ranges::stable_sort(names_,
                           [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
}

void Redactor::hide(const std::string& name, const std::string& stand_in) {
  if (name.size() < 2 || !is_telling(name)) return;
  names_.emplace_back(name, stand_in);
  if (name.find('-') != std::string::npos) names_.emplace_back(mapped(name), stand_in);
}

std::string Redactor::text(std::string_view text) const {
  auto all = split(text, '\n');
  for (auto& line : all) {
    line = by_rules(std::move(line));
    for (const auto& [word, stand_in] : names_) replace_word(line, word, stand_in);
  }
  return fmt::format("{}", fmt::join(all, "\n"));
}

/// EFI variables are named by well-known GUIDs, which stay.
std::string Redactor::path(std::string_view path) const {
  return path.find("/efivars/") != std::string_view::npos ? std::string(path) : text(path);
}

std::string Redactor::caller_line(std::string_view passwd) const {
  for (const auto& line : lines(passwd)) {
    const auto f = split(line, ':');
    if (f.size() == 7 && f[2] == std::to_string(caller_))
      return fmt::format("user{0}:x:{0}:{1}::/home/user{0}:{2}", f[2], f[3], f[6]);
  }
  return {};
}

std::string Redactor::contents(std::string_view path, std::string_view contents) const {
  if (path == "proc/cpuinfo") return first_processor(contents);
  if (path == "etc/passwd") return caller_line(contents);
  if (path == "etc/hostname" || path == "proc/sys/kernel/hostname") return "hostname";
  if (path == "etc/group" || path == "usr/lib/group")
    return text(kept_lines(contents,
                           [](const auto& l) { return l.starts_with("libvirt:") || l.starts_with("kvm:"); }));
  if (path == "proc/interrupts") return text(first_with(contents, {"IR-", "IO-APIC"}));
  const auto kept = kept_lines(contents, [&](const auto& line) { return is_looked_at(path, line); });
  if (!holds_arguments(path)) return text(kept);
  auto all = lines(kept);
  for (auto& line : all) line = known_arguments(line);
  return text(fmt::format("{}", fmt::join(all, "\n")));
}

}  // namespace gpuctl
