// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

#include "rebind/binding.hpp"

namespace gpuctl {

struct NativeDriver {
  std::string driver;  ///< empty: none known
  std::string module;
};

/// The PCI driver that would have a device whose alias matches `modules`: a registered one first, else the
/// first whose driver's name is known. VFIO drivers are passed over.
NativeDriver native_driver(const std::vector<std::string>& modules, const Drivers& registered);

}  // namespace gpuctl
