// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/module_aliases.hpp"

#include <fnmatch.h>
#include <libkmod.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <fstream>
#include <limits>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace gpuctl {
namespace {

constexpr std::string_view vfio_prefix = "alias vfio_pci:";

void ignore_message(void*, int, const char*, int, const char*, const char*, va_list) {}

/// "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci" taken apart.
struct VfioAlias {
  std::string pattern, module;
  auto wildcards() const { return std::ranges::count(pattern, '*'); }
};

VfioAlias vfio_alias(const std::string& line) {
  const auto space = line.find(' ', vfio_prefix.size());
  if (space == std::string::npos) return {};
  return {line.substr(vfio_prefix.size(), space - vfio_prefix.size()), line.substr(space + 1)};
}

/// Which of several it is, only the text tells: the index does not keep the patterns.
std::string most_specific(const std::string& device, const std::filesystem::path& directory) {
  std::ifstream aliases(directory / "modules.alias");
  std::string best = "vfio_pci";
  auto fewest = std::numeric_limits<std::ptrdiff_t>::max();
  for (std::string line; std::getline(aliases, line);) {
    if (!line.starts_with(vfio_prefix)) continue;
    const auto alias = vfio_alias(line);
    if (alias.module.empty() || ::fnmatch(alias.pattern.c_str(), device.c_str(), 0) != 0) continue;
    if (alias.wildcards() >= fewest) continue;
    fewest = alias.wildcards();
    best = alias.module;
  }
  return best;
}

/// The module of the most specific vfio_pci: alias, as virPCIDeviceFindBestVFIOVariant() of libvirt chooses
/// it. The index answers nearly always; reading a megabyte of text for each function takes longer than
/// binding it.
std::string best_vfio_module(const std::string& device, ModuleAliases& aliases) {
  const auto found = aliases.modules("vfio_pci:" + device);
  if (found.empty()) return "vfio_pci";
  return found.size() == 1 ? found.front() : most_specific(device, aliases.directory());
}

/// A loaded module tells; before, all known variants except these two name their driver with dashes.
std::string pci_driver_of(const std::string& module, const RootDir& root) {
  for (const auto& name : root.list(fmt::format("sys/module/{}/drivers", module)))
    if (name.starts_with("pci:")) return name.substr(4);
  if (module == "mlx5_vfio_pci" || module == "qat_vfio_pci") return module;
  auto driver = module;
  std::ranges::replace(driver, '_', '-');
  return driver;
}

}  // namespace

std::string modalias(const PciIdentity& id) {
  return fmt::format("pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}", id.vendor, id.device,
                     id.subsystem_vendor, id.subsystem_device, id.class_code >> 16,
                     (id.class_code >> 8) & 0xff, id.class_code & 0xff);
}

std::filesystem::path module_directory(const std::filesystem::path& above) {
  utsname kernel{};
  ::uname(&kernel);
  return above / kernel.release;
}

ModuleAliases::ModuleAliases(std::filesystem::path directory) : directory_(std::move(directory)) {}

void ModuleAliases::Unref::operator()(kmod_ctx* context) const noexcept { kmod_unref(context); }

/// Without configuration: aliases and blacklists of modprobe.d say what is loaded, not what could drive the
/// device.
kmod_ctx* ModuleAliases::context() {
  if (context_ != nullptr) return context_.get();
  const std::array<const char*, 1> no_configuration{nullptr};
  context_.reset(kmod_new(directory_.c_str(), no_configuration.data()));
  if (context_ == nullptr) return nullptr;
  kmod_set_log_fn(context_.get(), ignore_message, nullptr);
  kmod_load_resources(context_.get());
  return context_.get();
}

std::vector<std::string> ModuleAliases::modules(const std::string& alias) {
  std::vector<std::string> names;
  kmod_list* found = nullptr;
  if (context() == nullptr || kmod_module_new_from_lookup(context(), alias.c_str(), &found) < 0) return names;
  kmod_list* entry = nullptr;
  kmod_list_foreach(entry, found) {
    auto* module = kmod_module_get_module(entry);
    const std::string name = kmod_module_get_name(module);
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    kmod_module_unref(module);
  }
  kmod_module_unref_list(found);
  return names;
}

VfioDriver vfio_driver_for(const PciIdentity& id, const RootDir& root, ModuleAliases& aliases) {
  const auto device = modalias(id).substr(4);
  const auto module = best_vfio_module(device, aliases);
  return {pci_driver_of(module, root), module};
}

}  // namespace gpuctl
