// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstdio>

#include "cli/output/console.hpp"

namespace gpuctl::cli {

/// Writes to `file` at once; after a text that could not be written no more, for what came then would have a
/// gap before it. std::ferror() tells.
Console::Sink sink(std::FILE* file);

}  // namespace gpuctl::cli
