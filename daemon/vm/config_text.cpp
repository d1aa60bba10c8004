// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/config_text.hpp"

#include <sstream>

namespace gpuctl {

std::vector<std::string> fields(const std::string& text, char separator) {
  std::vector<std::string> found;
  std::istringstream in{text};
  for (std::string field; std::getline(in, field, separator);) found.push_back(field);
  return found;
}

std::vector<std::string> settings(const std::string& text) {
  std::vector<std::string> found;
  for (auto& line : fields(text, '\n')) {
    const auto start = line.find_first_not_of(" \t");
    if (start != std::string::npos && line.at(start) != '#' && line.at(start) != ';')
      found.push_back(line.substr(start));
  }
  return found;
}

}  // namespace gpuctl
