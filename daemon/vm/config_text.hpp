// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>
#include <vector>

namespace gpuctl {

/// What is between the separators, empty parts included.
std::vector<std::string> fields(const std::string& text, char separator);
/// Lines of a configuration file that are no comments, without the space before them.
std::vector<std::string> settings(const std::string& text);

}  // namespace gpuctl
