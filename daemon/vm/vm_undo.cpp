// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm/vm_undo.hpp"

#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "os/replace_file.hpp"
#include "vm/domain_uuid.hpp"

namespace gpuctl {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

std::filesystem::path VmUndo::file(const std::string& uuid, std::size_t number) const {
  require_uuid(uuid);
  return dir_ / (number == 1 ? uuid + ".xml" : fmt::format("{}.{}.xml", uuid, number));
}

std::size_t VmUndo::count(const std::string& uuid) const {
  std::size_t number = 0;
  while (std::filesystem::exists(file(uuid, number + 1))) ++number;
  return number;
}

void VmUndo::push(const std::string& uuid, const std::string& xml) {
  auto number = count(uuid);
  if (number == limit) {
    for (std::size_t i = 1; i < limit; ++i) replace_file(file(uuid, i), contents(file(uuid, i + 1)), 0600);
    --number;
  }
  replace_file(file(uuid, number + 1), xml, 0600);  // may hold a SPICE password
}

std::optional<std::string> VmUndo::top(const std::string& uuid) const {
  const auto number = count(uuid);
  return number == 0 ? std::nullopt : std::optional{contents(file(uuid, number))};
}

void VmUndo::pop(const std::string& uuid) {
  if (const auto number = count(uuid)) remove_file(file(uuid, number));
}

}  // namespace gpuctl
