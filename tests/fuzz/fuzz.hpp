// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// One input to the parser under test; aborts when what must always hold does not.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

/// Valid inputs to start from, made by the program.
std::vector<std::string> seeds();

/// And those of the file seeds/NAME, one a line.
std::vector<std::string> all_seeds();

}  // namespace fuzz
