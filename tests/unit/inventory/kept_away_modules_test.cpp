// SPDX-License-Identifier: GPL-2.0-or-later
#include "inventory/kept_away_modules.hpp"

#include <doctest/doctest.h>

#include "support/fake_machine.hpp"

using namespace gpuctl;
using namespace gpuctl::test;

TEST_CASE(
    "modprobe.d keeps modules away by blacklist, by alias and by an install command that does nothing") {
  FakeMachine m;
  m.file("etc/modprobe.d/nvidia-blacklists-nouveau.conf",
         "# comment\nblacklist nouveau\nblacklist i2c-nvidia-gpu\n");
  m.file("usr/lib/modprobe.d/vendor.conf", "alias nvidiafb off\ninstall nova_core /bin/false\n");
  m.file("etc/modprobe.d/nvidia.conf",
         "install nvidia modprobe -i nvidia-current $CMDLINE_OPTS\nalias pci:v000010DEd* nvidia-current\n"
         "options nvidia NVreg_DynamicPowerManagement=0x02\n");
  const auto found = kept_away_modules(m.root());
  for (const auto* name : {"nouveau", "i2c_nvidia_gpu", "nvidiafb", "nova_core"}) CHECK(found.contains(name));
  for (const auto* name : {"nvidia", "nvidia_current", "snd_hda_intel"}) CHECK_FALSE(found.contains(name));
}

TEST_CASE("a file of the same name in /etc counts instead of the vendor's") {
  FakeMachine m;
  m.file("usr/lib/modprobe.d/nouveau.conf", "blacklist nouveau\n");
  CHECK(kept_away_modules(m.root()).contains("nouveau"));
  m.file("etc/modprobe.d/nouveau.conf", "# the host uses it\n");
  CHECK_FALSE(kept_away_modules(m.root()).contains("nouveau"));
}
