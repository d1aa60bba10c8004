// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/declining_modules.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

namespace gpuctl {
namespace {

struct Generation {
  std::uint16_t first, last;
  std::string_view parameter;
};

/// The cards of both drivers (Linux: drm_pciids.h, CHIP_TAHITI to CHIP_HAINAN and CHIP_BONAIRE, CHIP_HAWAII).
constexpr std::array generations{
    Generation{0x6600, 0x663f, "si_support"},  Generation{0x6640, 0x665f, "cik_support"},
    Generation{0x6660, 0x666f, "si_support"},  Generation{0x6780, 0x679f, "si_support"},
    Generation{0x67a0, 0x67bf, "cik_support"}, Generation{0x6800, 0x683f, "si_support"}};

std::string parameter(const RootDir& root, const std::string& module, std::string_view name) {
  return root.text(fmt::format("sys/module/{}/parameters/{}", module, name));
}

/// Where nobody has chosen ("-1", since Linux 6.19) they are amdgpu's.
bool declines_generation(const std::string& module, std::uint16_t device, const RootDir& root) {
  const auto row =
      std::ranges::find_if(generations, [&](const auto& g) { return g.first <= device && device <= g.last; });
  if (row == generations.end()) return false;
  const auto value = parameter(root, module, row->parameter);
  return value == "0" || (value == "-1" && module == "radeon");
}

/// "!56a0", "!*" or a list with the former (i915: device_id_in_list).
bool forbids(std::string_view list, std::uint16_t device) {
  if (list == "!*") return true;
  while (!list.empty()) {
    const auto end = std::min(list.find(','), list.size());
    const std::string word{list.substr(0, end)};
    if (word.starts_with('!') && std::strtoul(word.c_str() + 1, nullptr, 16) == device) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

bool declines(const std::string& module, const PciIdentity& id, const RootDir& root) {
  if (module == "radeon" || module == "amdgpu") return declines_generation(module, id.device, root);
  const bool chooses = module == "i915" || module == "xe";
  return chooses && forbids(parameter(root, module, "force_probe"), id.device);
}

}  // namespace

std::vector<std::string> without_declining(const std::vector<std::string>& modules, const PciIdentity& id,
                                           const RootDir& root) {
  auto taking = modules;
  std::erase_if(taking, [&](const auto& module) { return declines(module, id, root); });
  return taking.empty() ? modules : taking;
}

}  // namespace gpuctl
