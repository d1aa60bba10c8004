// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

namespace gpuctl {

// looking_glass_tmpfiles_path has the name that Looking Glass's own guide gives it: what is in it may be
// somebody else's.

/// The first line of `text` that makes the shared memory file; empty if none does.
std::string looking_glass_entry(const std::string& text);

/// `text` with the line that gives the file to `uid`, in the place of what made it before; all else stays.
/// Root keeps the line that is there: nobody looks at the picture as root.
std::string with_looking_glass_entry(const std::string& text, unsigned uid);

}  // namespace gpuctl
