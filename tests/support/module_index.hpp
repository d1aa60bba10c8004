// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace gpuctl::test {

/// Writes modules.alias and its index modules.alias.bin as depmod does (format: kmod, libkmod-index.c), in
/// the order given.
void write_module_aliases(const std::filesystem::path& directory,
                          const std::vector<std::pair<std::string, std::string>>& aliases_and_modules);

}  // namespace gpuctl::test
