// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/pci_bars.hpp"

#include <charconv>

#include <fmt/format.h>

#include "host/text.hpp"

namespace gpuctl {
namespace {

constexpr std::uint64_t io_flag = 0x100;         // IORESOURCE_IO
constexpr std::uint64_t memory_flag = 0x200;     // IORESOURCE_MEM
constexpr std::uint64_t prefetch_flag = 0x2000;  // IORESOURCE_PREFETCH
constexpr std::size_t bar_count = 6;

std::uint64_t hex(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

/// Bit n stands for 2^n MiB (pci_rebar_get_possible_sizes).
std::vector<std::uint64_t> sizes_in(std::uint64_t mask) {
  std::vector<std::uint64_t> sizes;
  for (unsigned bit = 0; bit < 44; ++bit)
    if ((mask >> bit & 1U) != 0) sizes.push_back(std::uint64_t{1} << (20U + bit));
  return sizes;
}

}  // namespace

std::vector<PciBar> read_bars(const RootDir& root, PciAddress address) {
  const auto directory = "sys/bus/pci/devices/" + address.str();
  const auto rows = lines(root.text(directory + "/resource"));
  std::vector<PciBar> bars;
  for (unsigned i = 0; i < rows.size() && i < bar_count; ++i) {
    const auto fields = words(rows[i]);
    if (fields.size() != 3) continue;
    const auto flags = hex(fields[2]);
    if ((flags & memory_flag) == 0 || (flags & io_flag) != 0) continue;
    PciBar bar{i, hex(fields[0]), hex(fields[1]) - hex(fields[0]) + 1, (flags & prefetch_flag) != 0, {}};
    bar.possible_sizes = sizes_in(hex(root.text(fmt::format("{}/resource{}_resize", directory, i))));
    bars.push_back(bar);
  }
  return bars;
}

std::string size_text(std::uint64_t bytes) {
  const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (unit < 4 && bytes >= 1024 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{} {}", bytes, units[unit]);
}

}  // namespace gpuctl
