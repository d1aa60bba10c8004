// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once
#include "support/fake_machine.hpp"

namespace gpuctl::test {

inline constexpr PciIdentity laptop_gpu_id{0x10de, 0x25a0, 0x1043, 0x1ccc, 0x030000};
inline constexpr PciIdentity laptop_audio_id{0x10de, 0x2291, 0x1043, 0x1ccc, 0x040300};
inline constexpr PciIdentity laptop_igpu_id{0x8086, 0x9a60, 0x1043, 0x1ccc, 0x030000};

/// The reference laptop: Intel IOMMU; GA107M 0000:01:00.0 on nvidia and its audio 0000:01:00.1 on
/// snd_hda_intel behind root port 0000:00:10.0, both in IOMMU group 15; iGPU 0000:00:02.0 (boot_vga, i915,
/// its panel lit, group 0); NIC 0000:02:00.0 (group 16) and NVMe 0000:03:00.0 (group 17) behind their own
/// ports; vfio-pci registered.
void reference_laptop(FakeMachine&);

/// A Turing desktop card 0000:01:00.0-3 (display, audio, USB, UCSI) in group 20, beside an iGPU.
void four_function_card(FakeMachine&);

}  // namespace gpuctl::test
