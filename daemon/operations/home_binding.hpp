// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "core/devices.hpp"
#include "operations/platform.hpp"
#include "os/root_dir.hpp"
#include "rebind/binding.hpp"

namespace gpuctl {

/// What the drivers of a GPU at home are known from.
struct HomeFacts {
  const Gpu& gpu;
  const Snapshot& snapshot;
  const RootDir& root;
  const Drivers& drivers;
  const Platform& platform;
};

/// As it is.
Binding current_binding(const HomeFacts& facts);

/// Where a release brings it: by the record of its attach, else to the drivers that would have it.
Binding home_binding(const HomeFacts& facts);

/// What an attach records for its release.
Binding home_before_attach(const HomeFacts& facts);

}  // namespace gpuctl
