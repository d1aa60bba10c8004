// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include <string>

#include "core/pci_address.hpp"
#include "os/pci_control.hpp"
#include "os/root_dir.hpp"

namespace gpuctl {

/// The bytes of a function's expansion ROM, by its sysfs attribute (drivers/pci/pci-sysfs.c, pci_read_rom).
/// The function is kept awake meanwhile, for the kernel does not wake it, and left as it was. Best while no
/// driver that uses the card has it; may block, so: worker processes only. Throws Error(not_supported) where
/// there is no ROM, device_gone when the card does not answer, kernel_refused with errno (EIO: no valid ROM
/// in it).
std::string read_rom(const RootDir& root, PciControl& control, PciAddress address);
/// Throws Error(not_supported) where there is no ROM, without touching the card.
void require_rom(const RootDir& root, PciAddress address);

}  // namespace gpuctl
