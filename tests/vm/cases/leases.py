# SPDX-License-Identifier: GPL-2.0-or-later
"""Who has the GPU, when what gpuctl knows about it cannot be kept, or changes under its hands."""
from lab.testing import DONE, case

from .lifecycle import home, in_vm, put_gpu_into

FILL = "fallocate -l $(($(df --output=avail -B1 / | tail -n 1) - 65536)) /full; dd if=/dev/zero of=/fuller bs=4k 2>/dev/null"


@case("the disk is full when the VM ends: the GPU comes home nevertheless, and goes again when there is room")
def full_disk(laptop):
    put_gpu_into(laptop, "empty")
    put_gpu_into(laptop, "gaming")
    laptop.run("virsh start empty")
    in_vm(laptop)
    laptop.run(f"{FILL}; true")
    laptop.run("virsh destroy empty")
    home(laptop)
    laptop.run("rm /full /fuller; virsh start gaming")
    in_vm(laptop, "gaming")
    laptop.run("virsh destroy gaming")
    home(laptop)
    laptop.gpuctl("attach empty --start").ended(DONE)
    laptop.run(f"{FILL}; virsh destroy empty")
    home(laptop)
