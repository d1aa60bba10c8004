// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstddef>
#include <functional>

namespace gpuctl::test {

/// Serves org.gpuctl1 on the system bus until it is told to die: `gpus` equal cards of two functions, each in
/// a group of its own. What Attach does depends on the VM it is for:
///   "at-once"   the operation has succeeded by the time the call returns
///   "stepwise"  it takes a step each time somebody has looked at it
///   "dies"      the service ends at the second look
///   "endless"   it runs until it is cancelled
///   "Busy", "NotAuthorized", ...  the call is refused with that error
/// ListUsers of the GPU "rude" is refused with a sentence that a terminal would obey.
/// `ready` is called when it has the name.
void serve_fake_gpuctld(std::size_t gpus, const std::function<void()>& ready);

}  // namespace gpuctl::test
