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
      {std::regex(R"(\b(LABEL=)[^ ,;:"']+)", rule_flags), "$1redacted"},
      {std::regex(R"(\b(systemd\.set_credential\w*=[^ :]*:)\S+)", rule_flags), "$1redacted"},
      {std::regex(R"(\b(ip|nfsroot|rd\.peerdns|nameserver|ifname)=\S+)", rule_flags), "$1=redacted"},
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

/// Host names that an installer gives say nothing about anybody, and are words of these files besides.
bool is_telling(const std::string& name) {
  static constexpr std::array common{"localhost", "debian", "ubuntu",   "fedora", "arch",
                                     "archlinux", "linux",  "bazzite",  "pop-os", "pop",
                                     "host",      "nixos",  "opensuse", "server"};
  return name.size() > 2 && std::ranges::find(common, name) == common.end();
}

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

template <class Keep>
std::string kept_lines(std::string_view text, Keep keep) {
  auto all = lines(text);
  std::erase_if(all, [&](const auto& line) { return !keep(line); });
  return fmt::format("{}", fmt::join(all, "\n"));
}

/// All processors are alike in what is looked at.
std::string first_processor(std::string_view cpuinfo) {
  return std::string(cpuinfo.substr(0, cpuinfo.find("\n\n")));
}

}  // namespace

Redactor::Redactor(const RootDir& root, uid_t caller) : caller_(caller) {
  for (const auto* path : {"etc/hostname", "proc/sys/kernel/hostname"}) {
    const auto name = root.text(path);
    if (is_telling(name)) names_.emplace_back(name, "hostname");
    if (const auto label = name.substr(0, name.find('.')); is_telling(label))
      names_.emplace_back(label, "hostname");
  }
  for (const auto& line : lines(root.text("etc/passwd"))) {
    const auto fields = split(line, ':');
    if (fields.size() < 3) continue;
    const auto uid = std::strtoul(fields[2].c_str(), nullptr, 10);
    constexpr unsigned long first_person = 1000;
    constexpr unsigned long last_person = 60000;  // login.defs(5) UID_MIN, UID_MAX
    if (uid >= first_person && uid <= last_person && fields[0].size() > 1)
      names_.emplace_back(fields[0], fmt::format("user{}", uid));
  }
  // Longer names first: "anna" must not split "anna-lena".
  std::ranges::stable_sort(names_,
                           [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
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
  if (path == "etc/group")
    return text(kept_lines(contents,
                           [](const auto& l) { return l.starts_with("libvirt:") || l.starts_with("kvm:"); }));
  if (is_configuration(path)) return text(kept_lines(contents, is_relevant));
  return text(contents);
}

}  // namespace gpuctl
