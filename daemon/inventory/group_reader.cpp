// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/group_reader.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace gpuctl {
namespace {

/// "0x00000000fee00000 0x00000000feefffff msi"
std::optional<ReservedRegion> region(std::string_view line) {
  const auto address = [&]() -> std::optional<std::uint64_t> {
    if (!line.starts_with("0x")) return std::nullopt;
    std::uint64_t value{};
    const auto result = std::from_chars(line.data() + 2, line.data() + line.size(), value, 16);
    line.remove_prefix(
        std::min<std::size_t>(static_cast<std::size_t>(result.ptr - line.data()) + 1, line.size()));
    return result.ec == std::errc{} ? std::optional{value} : std::nullopt;
  };
  const auto start = address();
  const auto end = start ? address() : std::nullopt;
  if (!end || line.empty()) return std::nullopt;
  return ReservedRegion{*start, *end, std::string(line)};
}

std::vector<ReservedRegion> regions(std::string_view text) {
  std::vector<ReservedRegion> list;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    if (auto found = region(line)) list.push_back(std::move(*found));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return list;
}

}  // namespace

IommuGroup read_group(const RootDir& root, unsigned number, bool has_gpu) {
  const auto dir = fmt::format("sys/kernel/iommu_groups/{}/", number);
  IommuGroup group;
  group.number = number;
  group.type = root.attribute(dir + "type").value_or("");
  if (!has_gpu) return group;
  group.name = root.attribute(dir + "name").value_or("");
  group.reserved_regions = regions(root.attribute(dir + "reserved_regions").value_or(""));
  return group;
}

}  // namespace gpuctl
