# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules that tests/faults takes for granted, on the real kernel."""
from lab import cache
from lab.testing import case

PROBES = cache.VM_DIR.parent / "faults" / "probes.txt"


@case("the real kernel answers every probe as the model of it does")
def model_probes(laptop):
    laptop.run("systemctl stop gpuctld; modprobe vfio-pci")
    laptop.shell.put(cache.VM_DIR / "in-guest" / "probe_kernel.py", "/tmp/probe_kernel.py")
    laptop.shell.put(PROBES, "/tmp/probes.txt")
    said = laptop.run("python3 /tmp/probe_kernel.py < /tmp/probes.txt").strip().splitlines()
    assert len(said) == 1, "the kernel differs from its model:\n" + "\n".join(said)
    assert int(said[0].split()[0]) > 30, said
