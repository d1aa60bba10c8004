// SPDX-License-Identifier: GPL-2.0-or-later
#include "support/machines.hpp"

namespace gpuctl::test {
namespace {

void add_igpu(FakeMachine& m) {
  m.gpu("0000:00:02.0", {.id = laptop_igpu_id,
                         .revision = 0x01,
                         .driver = "i915",
                         .reset_methods = "flr pm",
                         .boot_vga = true})
      .group(0, {"0000:00:02.0"})
      .drm("0000:00:02.0", 0, 128)
      .connector("0000:00:02.0", 0, "eDP-1", true, true);
}

void add_host(FakeMachine& m) {
  m.iommu("intel").cmdline("BOOT_IMAGE=/vmlinuz root=/dev/nvme0n1p2 ro quiet intel_iommu=on");
  m.cpu_flags("fpu vme vmx ssse3").driver("vfio-pci").driver("nouveau");
}

}  // namespace

void reference_laptop(FakeMachine& m) {
  add_host(m);
  add_igpu(m);
  m.bridge("0000:00:10.0")
      .gpu("0000:01:00.0", {.id = laptop_gpu_id,
                            .revision = 0xa1,
                            .driver = "nvidia",
                            .reset_methods = "flr bus",
                            .power_control = "auto",
                            .rom = "\x55\xaa"})
      .companion("0000:01:00.1", "snd_hda_intel",
                 {.id = laptop_audio_id, .revision = 0xa1, .reset_methods = "bus", .power_control = "auto"})
      .group(14, {"0000:00:10.0"})
      .group(15, {"0000:01:00.0", "0000:01:00.1"})
      .device_link("0000:01:00.1", "0000:01:00.0")
      .drm("0000:01:00.0", 1, 129)
      .connector("0000:01:00.0", 1, "HDMI-A-1", false, false)
      .sound("0000:01:00.1", 1)
      .i2c("0000:01:00.0", 5);
  m.bridge("0000:00:11.0")
      .function("0000:02:00.0",
                {.id = {0x10ec, 0x8168, 0x1043, 0x208f, 0x020000}, .revision = 0x15, .driver = "r8169"})
      .group(18, {"0000:00:11.0"})
      .group(16, {"0000:02:00.0"});
  m.bridge("0000:00:12.0")
      .function(
          "0000:03:00.0",
          {.id = {0x144d, 0xa809, 0x144d, 0xa801, 0x010802}, .driver = "nvme", .reset_methods = "flr bus"})
      .group(19, {"0000:00:12.0"})
      .group(17, {"0000:03:00.0"});
}

void four_function_card(FakeMachine& m) {
  add_host(m);
  add_igpu(m);
  m.bridge("0000:00:10.0")
      .gpu("0000:01:00.0", {.id = {0x10de, 0x1f08, 0x1043, 0x8657, 0x030000},
                            .revision = 0xa1,
                            .driver = "nvidia",
                            .reset_methods = "flr bus"})
      .companion("0000:01:00.1", "snd_hda_intel",
                 {.id = {0x10de, 0x10f9, 0x1043, 0x8657, 0x040300}, .revision = 0xa1})
      .companion("0000:01:00.2", "xhci_hcd",
                 {.id = {0x10de, 0x1ada, 0x1043, 0x8657, 0x0c0330}, .revision = 0xa1})
      .companion("0000:01:00.3", "nvidia-gpu",
                 {.id = {0x10de, 0x1adb, 0x1043, 0x8657, 0x0c8000}, .revision = 0xa1})
      .group(20, {"0000:01:00.0", "0000:01:00.1", "0000:01:00.2", "0000:01:00.3"});
  for (const auto* consumer : {"0000:01:00.1", "0000:01:00.2", "0000:01:00.3"})
    m.device_link(consumer, "0000:01:00.0");
}

}  // namespace gpuctl::test
