// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/devices.hpp"
#include "os/root_dir.hpp"

struct kmod_ctx;

namespace gpuctl {

/// "pci:v000010DEd000025A0sv00001043sd00001CCCbc03sc00i00", as the kernel's modalias attribute.
std::string modalias(const PciIdentity&);

/// The directory with modules.alias of the running kernel, e.g. "/lib/modules/6.12.1". `above` may be
/// elsewhere: a sandbox that hides /usr/lib/modules binds it to another place.
std::filesystem::path module_directory(const std::filesystem::path& above = "/lib/modules");

/// Which modules say that they drive a device: modules.alias as depmod wrote it, by libkmod. Open as long as
/// it lives.
class ModuleAliases {
 public:
  explicit ModuleAliases(std::filesystem::path directory = module_directory());

  /// As lspci -k lists them, e.g. nouveau, nvidia_drm, nvidia; blacklisted ones too. Empty if nothing is
  /// known.
  std::vector<std::string> modules(const std::string& alias);
  const std::filesystem::path& directory() const { return directory_; }

 private:
  struct Unref {
    void operator()(kmod_ctx* context) const noexcept;
  };
  kmod_ctx* context();

  std::filesystem::path directory_;
  std::unique_ptr<kmod_ctx, Unref> context_;
};

/// A VFIO driver and the module that brings it: the names differ ("vfio-pci" is in vfio_pci).
struct VfioDriver {
  std::string driver, module;
  bool operator==(const VfioDriver&) const = default;
};

/// The driver libvirt would choose too: the variant whose vfio_pci: alias fits with the fewest wildcards,
/// else vfio-pci.
VfioDriver vfio_driver_for(const PciIdentity&, const RootDir& root, ModuleAliases& aliases);

}  // namespace gpuctl
