// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_host.hpp"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <set>

#include <nlohmann/json.hpp>

#include "vm/config_text.hpp"
#include "vm/domain_facts.hpp"

namespace gpuctl {
namespace {

using nlohmann::json;

std::uint64_t number(const std::string& text, int base = 10) {
  std::uint64_t value{};
  const auto start = text.find_first_not_of(" \t");
  if (start == std::string::npos) return 0;
  std::from_chars(text.data() + start, text.data() + text.size(), value, base);
  return value;
}

/// "Name:   12345 kB" of /proc/meminfo.
std::uint64_t meminfo(const std::string& text, const std::string& name) {
  const auto at = text.find(name + ":");
  return at == std::string::npos ? 0 : number(text.substr(at + name.size() + 1, 40));
}

std::string string_or_empty(const json& value) {
  return value.is_string() ? value.get<std::string>() : std::string{};
}

/// The member, or null; never throws, whatever `object` is.
const json& member(const json& object, const char* name) {
  static const json null;
  if (!object.is_object()) return null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}

std::vector<std::string> strings(const json& array) {
  std::vector<std::string> found;
  if (array.is_array())
    for (const auto& item : array)
      if (item.is_string()) found.push_back(item.get<std::string>());
  return found;
}

std::string executable_of(const json& mapping) {
  const auto flash = string_or_empty(member(member(mapping, "executable"), "filename"));
  return flash.empty() ? string_or_empty(member(mapping, "filename")) : flash;
}

std::optional<FirmwareImage> read_descriptor(const std::string& name, const std::string& text) {
  const auto parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) return std::nullopt;
  FirmwareImage image{
      name, executable_of(member(parsed, "mapping")), false, strings(member(parsed, "features")), {}};
  image.uefi = std::ranges::count(strings(member(parsed, "interface-types")), "uefi") > 0;
  const auto& targets = member(parsed, "targets");
  if (targets.is_array())
    for (const auto& target : targets)
      for (const auto& machine : strings(member(target, "machines")))
        image.targets.emplace_back(string_or_empty(member(target, "architecture")), machine);
  return image;
}

/// DMI chassis types that are carried about: portable, laptop, notebook, sub-notebook, convertible,
/// detachable.
bool is_laptop(const RootDir& root) {
  static const std::set<std::string> types{"8", "9", "10", "14", "31", "32"};
  return types.contains(root.text("sys/class/dmi/id/chassis_type"));
}

std::map<std::uint64_t, Hugepages> read_hugepages(const RootDir& root) {
  const std::string base = "sys/kernel/mm/hugepages";
  std::map<std::uint64_t, Hugepages> found;
  for (const auto& name : root.list(base)) {
    constexpr std::string_view prefix = "hugepages-";
    if (!name.starts_with(prefix)) continue;
    const auto dir = base + "/" + name;
    found[number(name.substr(prefix.size()))] = {number(root.text(dir + "/nr_hugepages")),
                                                 number(root.text(dir + "/free_hugepages"))};
  }
  return found;
}

/// Lines "device directory type options ..."; process 1's, for the daemon's own /dev is a private one.
std::set<std::uint64_t> read_hugetlbfs(const RootDir& root, std::uint64_t default_kib) {
  std::set<std::uint64_t> found;
  for (const auto& line : fields(root.read("proc/1/mounts", 1 << 20).value_or(""), '\n')) {
    const auto mount = fields(line, ' ');
    if (mount.size() < 4 || mount.at(2) != "hugetlbfs") continue;
    constexpr std::string_view key = "pagesize=";
    const auto at = mount.at(3).find(key);
    const auto size = at == std::string::npos ? std::string{} : mount.at(3).substr(at + key.size());
    const auto digits = std::min(size.find_first_not_of("0123456789"), size.size());
    const auto unit = size.substr(digits, 1);
    found.insert(size.empty() ? default_kib : scaled_size(size.substr(0, digits), unit, "k") / 1024);
  }
  return found;
}

/// Lines "start end flags" of the resource attribute; the first six are BARs.
std::uint64_t largest_bar(const RootDir& root, PciAddress function) {
  const auto text = root.text("sys/bus/pci/devices/" + function.str() + "/resource");
  std::uint64_t largest = 0;
  std::size_t at = 0;
  for (int bar = 0; bar < 6 && at < text.size(); ++bar) {
    const auto line = text.substr(at, text.find('\n', at) - at);
    at += line.size() + 1;
    if (line.size() < 37) continue;
    const auto start = number(line.substr(2, 16), 16), end = number(line.substr(21, 16), 16);
    if (end > start) largest = std::max(largest, end - start + 1);
  }
  return largest;
}

bool is_reachable(const RootDir& root, const std::string& path, const struct stat& file) {
  struct stat dir {};
  for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
    if (::fstatat(root.fd(), path.substr(0, slash).c_str(), &dir, 0) < 0 || !(dir.st_mode & S_IXOTH))
      return false;
  return (file.st_mode & S_IROTH) != 0;
}

HostFile::Kind kind_of(mode_t mode) {
  if (S_ISREG(mode)) return HostFile::Kind::regular;
  return S_ISCHR(mode) ? HostFile::Kind::character_device : HostFile::Kind::other;
}

}  // namespace

bool FirmwareImage::has(const std::string& feature) const {
  return std::ranges::count(features, feature) > 0;
}

bool FirmwareImage::fits(const std::string& arch, const std::string& machine) const {
  auto full = machine;
  if (machine == "q35") full = "pc-q35-99.0";
  if (machine == "pc") full = "pc-i440fx-99.0";
  return std::ranges::any_of(targets, [&](const auto& target) {
    return target.first == arch && ::fnmatch(target.second.c_str(), full.c_str(), 0) == 0;
  });
}

std::vector<FirmwareImage> read_firmware(const RootDir& root) {
  std::map<std::string, std::string> texts;
  for (const std::string dir : {"usr/share/qemu/firmware", "etc/qemu/firmware"})
    for (const auto& name : root.list(dir))
      if (name.ends_with(".json")) texts[name] = root.text(dir + "/" + name);
  std::vector<FirmwareImage> found;
  for (const auto& [name, text] : texts)
    if (auto image = read_descriptor(name, text)) found.push_back(std::move(*image));
  return found;
}

HostFile host_file(const RootDir& root, const std::string& absolute_path) {
  auto path = absolute_path.substr(std::min(absolute_path.find_first_not_of('/'), absolute_path.size()));
  if (root.exists("proc/1/root/dev")) path = "proc/1/root/" + path;
  struct stat status {};
  if (path.empty() || ::fstatat(root.fd(), path.c_str(), &status, 0) < 0) return {};
  HostFile file{kind_of(status.st_mode), static_cast<std::uint64_t>(status.st_size),
                status.st_uid,           status.st_gid,
                status.st_mode & 07777U, false};
  file.reachable = is_reachable(root, path, status);
  return file;
}

VmHost read_vm_host(const RootDir& root, const std::vector<std::string>& files,
                    const std::vector<PciAddress>& functions) {
  VmHost host;
  host.firmware = read_firmware(root);
  host.swtpm = root.exists("usr/bin/swtpm") && root.exists("usr/bin/swtpm_setup");
  host.laptop = is_laptop(root);
  const auto memory = root.text("proc/meminfo");
  host.memory_kib = meminfo(memory, "MemTotal");
  host.available_kib = meminfo(memory, "MemAvailable");
  host.default_hugepage_kib = meminfo(memory, "Hugepagesize");
  host.hugepages = read_hugepages(root);
  host.hugetlbfs = read_hugetlbfs(root, host.default_hugepage_kib);
  host.apparmor = read_qemu_apparmor(root);
  host.selinux = root.text("sys/fs/selinux/enforce") == "1";
  for (const auto& file : files) host.files[file] = host_file(root, file);
  for (const auto function : functions) host.largest_bar[function] = largest_bar(root, function);
  return host;
}

}  // namespace gpuctl
