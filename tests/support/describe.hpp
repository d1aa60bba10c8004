// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include "core/devices.hpp"
#include "core/problem.hpp"

namespace gpuctl::test {

/// Every field of a snapshot as text, one fact a line, to compare with a checked-in file.
std::string describe(const Snapshot&);
/// One line a problem: severity, id, subject.
std::string describe(const Problems&);

}  // namespace gpuctl::test
