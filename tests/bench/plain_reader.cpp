// SPDX-License-Identifier: GPL-2.0-or-later
// The floor of every listing: opens each PCI function's directory, reads seven attributes and two links,
// prints.
//   plain_reader [time]    time: milliseconds on standard error, without those of its start
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
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

void print_function(int all, const char* name) {
  const int directory = ::openat(all, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  std::fputs(name, stdout);
  for (const auto* attribute : attributes) print_attribute(directory, attribute);
  for (const auto* link : links) print_link(directory, link);
  std::fputc('\n', stdout);
  ::close(directory);
}

bool print_all() {
  const int all = ::open("/sys/bus/pci/devices", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* entries = ::fdopendir(all);
  if (entries == nullptr) return false;
  while (const dirent* entry = ::readdir(entries))
    if (entry->d_name[0] != '.') print_function(all, entry->d_name);
  ::closedir(entries);
  return std::fflush(stdout) == 0;
}

}  // namespace

int main(int argc, char**) {
  const auto begin = std::chrono::steady_clock::now();
  if (!print_all()) return 1;
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  if (argc > 1) std::fprintf(stderr, "%f\n", took.count());
}
