// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>

namespace gpuctl::cli {

enum class Newlines { replace, keep };

/// `text` as it may be shown on a terminal: escape sequences are taken out, other control characters (C0,
/// DEL, C1, text direction overrides) and line ends become blanks, and bytes that are not UTF-8 become '?'.
std::string clean(std::string_view text, Newlines newlines = Newlines::replace);

}  // namespace gpuctl::cli
