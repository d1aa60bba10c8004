// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/pci_address.hpp"
#include "vm/looking_glass.hpp"

namespace gpuctl {

enum class PictureTransport { shmem, kvmfr };

/// What to change in a definition; what is not named stays as it is.
struct SetupChanges {
  std::optional<GuestPicture> picture{};  ///< Looking Glass for this picture
  PictureTransport transport{PictureTransport::shmem};
  std::optional<std::string> rom{};         ///< absolute path; empty = the card's own again
  std::vector<PciAddress> rom_functions{};  ///< display functions that get it
  std::optional<bool> battery{};
  std::string battery_file{};  ///< the table of battery_table()
  bool acpi_table_element{};   ///< libvirt knows <table type='raw'> (11.2.0); else on QEMU's command line
  std::vector<PciAddress> stale{};  ///< gpuctl's own hostdevs that name no GPU any more
};

/// The definition with the changes made; equal text comes back when they are all there already. Pure. Throws
/// as parse_domain().
std::string setup_domain(const std::string& xml, const SetupChanges& changes);

/// `before` with gpuctl's hostdevs as `now` has them, so that undoing a set-up moves no GPU; the `stale` ones
/// are as they were.
std::string with_hostdevs_of(const std::string& before, const std::string& now,
                             const std::vector<PciAddress>& stale = {});

}  // namespace gpuctl
