// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <optional>
#include <string_view>

#include "core/devices.hpp"
#include "core/pci_address.hpp"

namespace gpuctl {

/// The option ROM that a laptop's firmware keeps for an AMD GPU, out of its ACPI table VFCT
/// (/sys/firmware/acpi/tables/VFCT; Linux' atombios.h, GOP_VBIOS_CONTENT). Total: nothing where the table is
/// damaged or has no image for this card.
std::optional<std::string_view> vfct_image(std::string_view table, PciAddress address,
                                           const PciIdentity& card);

}  // namespace gpuctl
