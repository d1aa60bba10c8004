// SPDX-License-Identifier: GPL-2.0-or-later
// The floor of every listing: opens each PCI function's directory, reads seven attributes and two links,
// prints.
//   plain_reader
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string_view>

namespace {

constexpr std::array attributes{"vendor",           "device",   "class",          "subsystem_vendor",
                                "subsystem_device", "revision", "driver_override"};
constexpr std::array links{"driver", "iommu_group"};

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

void print_attribute(int directory, const char* name) {
  std::array<char, 256> text{};
  const int file = ::openat(directory, name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  const auto size = ::read(file, text.data(), text.size());
  ::close(file);
  if (size > 1) std::printf(" %.*s", static_cast<int>(size - 1), text.data());
}

void print_link(int directory, const char* name) {
  std::array<char, 512> target{};
  const auto size = ::readlinkat(directory, name, target.data(), target.size());
  if (size <= 0) return;
  const auto shown = base_name({target.data(), static_cast<std::size_t>(size)});
  std::printf(" %.*s", static_cast<int>(shown.size()), shown.data());
}

}  // namespace

int main() {
  const int all = ::open("/sys/bus/pci/devices", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* entries = ::fdopendir(all);
  if (entries == nullptr) return 1;
  while (const dirent* entry = ::readdir(entries)) {
    if (entry->d_name[0] == '.') continue;
    const int directory = ::openat(all, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) continue;
    std::fputs(entry->d_name, stdout);
    for (const auto* name : attributes) print_attribute(directory, name);
    for (const auto* name : links) print_link(directory, name);
    std::fputc('\n', stdout);
    ::close(directory);
  }
  ::closedir(entries);
}
