// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

namespace gpuctl {

/// What `diff -u` prints for two texts called `name`: three lines of context, empty when they are equal.
/// Texts that differ in very many places come out as one block replaced by another.
std::string unified_diff(const std::string& before, const std::string& after, const std::string& name);

}  // namespace gpuctl
