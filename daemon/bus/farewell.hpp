// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <sdbus-c++/sdbus-c++.h>

namespace gpuctl {

/// For destructors: tells InterfacesRemoved. When the bus is gone there is nobody to tell, and the daemon is
/// about to end for that.
inline void tell_removed(sdbus::IObject& object) noexcept {
  try {
    object.emitInterfacesRemovedSignal();
  } catch (const sdbus::Error&) {
  }
}

}  // namespace gpuctl
