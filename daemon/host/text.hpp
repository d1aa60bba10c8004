// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace gpuctl {

std::string_view trimmed(std::string_view text);
/// Words between white space.
std::vector<std::string> words(std::string_view text);
/// Lines without their ends; a last line without newline counts.
std::vector<std::string> lines(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);
bool has_word(std::string_view text, std::string_view word);
/// Kernel modules and parameters treat - and _ alike: "vfio-pci" becomes "vfio_pci".
std::string with_underscores(std::string_view name);

}  // namespace gpuctl
