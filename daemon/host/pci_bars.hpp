// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/pci_address.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// One base address register that has memory behind it.
struct PciBar {
  unsigned number{};
  std::uint64_t start{}, size{};  ///< bytes; start 0 = not assigned
  bool prefetchable{};
  std::vector<std::uint64_t>
      possible_sizes;  ///< bytes, ascending; empty = not resizable (or the kernel does not say)
  bool operator==(const PciBar&) const = default;
};

/// From the resource and resourceN_resize attributes (Documentation/ABI/testing/sysfs-bus-pci).
std::vector<PciBar> read_bars(const RootDir& root, PciAddress address);

/// "256 MiB", "8 GiB", "512 KiB": exact for powers of two.
std::string size_text(std::uint64_t bytes);

}  // namespace gpuctl
