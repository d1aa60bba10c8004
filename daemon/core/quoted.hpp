// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace gpuctl {

/// Text from outside, in quotes and fit for a sentence, a terminal and D-Bus: control characters and bytes
/// that are no UTF-8 become \xNN, the middle of what is longer than `limit` bytes becomes "...".
std::string quoted(std::string_view text, std::size_t limit = 64);

/// As quoted(), all of it and without the quotes.
std::string escaped(std::string_view text);

}  // namespace gpuctl
