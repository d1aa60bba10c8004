// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>

namespace gpuctl {

/// As one word of a command line that a person copies: in quotes where a shell would make more of it.
std::string shell_word(std::string_view text);

}  // namespace gpuctl
