# SPDX-License-Identifier: GPL-2.0-or-later
"""IOMMU groups: what is moved together, what is refused, and what has to be ignored."""
from lab.testing import AUDIO, DONE, GPU, REFUSED, case


def refused_naming(laptop, gpu, foreign):
    """Attach is refused and names the FOREIGN function; its driver keeps it, and nothing else changes either."""
    before = laptop.host_state()
    problems = laptop.gpuctl(f"--json check --gpu {gpu}").ended(REFUSED).json["problems"]
    blockers = [p for p in problems if p["severity"] == "blocker"]
    assert any(foreign in p["subject"] + p["message"] for p in blockers), f"nobody names {foreign}: {problems}"
    assert all(p["remedy"] for p in blockers), f"a blocker without a remedy: {blockers}"
    laptop.gpuctl(f"attach --gpu {gpu}").ended(REFUSED).says(foreign)
    laptop.gpuctl(f"attach --gpu {gpu} --force").ended(REFUSED).says(foreign)
    laptop.changed_nothing(before)


@case("a network card behind the same PCIe-to-PCI bridge: refused, naming it, nothing changed", kind="bridge",
      main=True)
def nic_behind_bridge(laptop):
    refused_naming(laptop, "02:01", "0000:02:02.0")


@case("a network card as a further function of the slot: refused, naming it, nothing changed",
      card="nvidia-with-nic", main=True)
def nic_in_slot(laptop):
    refused_naming(laptop, "01:00", "0000:01:00.2")


@case("behind a PCIe switch, whose port shares the group: accepted", kind="switch", main=True)
def behind_switch(laptop):
    functions = ("0000:03:00.0", "0000:03:00.1")
    group = laptop.run(f"ls /sys/bus/pci/devices/{functions[0]}/iommu_group/devices").split()
    assert set(functions) < set(group), f"the group should hold a bridge too, but is {group}"
    before = laptop.drivers(*functions)
    assert all(before.values()), before
    laptop.gpuctl("attach --gpu 03:00").ended(DONE)
    laptop.bound(dict.fromkeys(functions, "vfio-pci"))
    laptop.gpuctl("release").ended(DONE)
    laptop.bound(before)


@case("a card of four functions is moved whole", card="nvidia-four-functions", main=True)
def four_functions(laptop):
    functions = [f"0000:01:00.{number}" for number in range(4)]
    before = laptop.drivers(*functions)
    laptop.gpuctl("attach").ended(DONE)
    laptop.bound(dict.fromkeys(functions, "vfio-pci"))
    assert len(laptop.gpu()["functions"]) == 4
    laptop.gpuctl("release").ended(DONE)
    laptop.bound(before)
    laptop.no_override_left(*functions)


@case("no IOMMU: refused, with the remedy, nothing changed", iommu="none", main=True)
def no_iommu(laptop):
    before = laptop.host_state()
    problems = laptop.gpuctl("--json check --gpu 01:00").ended(REFUSED).json["problems"]
    named = [p for p in problems if p["severity"] == "blocker" and "iommu" in p["id"]]
    assert named and all(p["remedy"] for p in named), f"nothing about the IOMMU: {problems}"
    laptop.gpuctl("attach --gpu 01:00").ended(REFUSED).says("IOMMU")
    laptop.bound({GPU: "nvidia", AUDIO: "snd_hda_intel"})
    laptop.changed_nothing(before)
