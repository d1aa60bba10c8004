# SPDX-License-Identifier: GPL-2.0-or-later
"""What gpuctl writes into definitions of libvirt, and what QEMU is to read because of it: ROMs, shared memory."""
from lab.testing import DONE, case

from .lifecycle import home, in_vm

AUTO_ROM = "/var/lib/gpuctl/rom/0000:01:00.0.rom"

# The smallest option ROM for UEFI: one image for x86-64, 512 bytes.
EFI_ROM = bytes.fromhex("55aa0100f10e00000b006486000000000000000000003800" "1c00000050434952de10a025000018000000000301000000"
                        "0380000000000000").ljust(512, b"\0")


def plug_with_rom(laptop, rom=EFI_ROM):
    path = laptop.directory / "card.rom"
    path.write_bytes(rom)
    laptop.plug(rom=path)


@case("the card's ROM: shown, checked, written to a file, and given to the VM, which starts with it", card=None)
def rom_of_the_card(laptop):
    plug_with_rom(laptop)
    rom = laptop.gpuctl("--json rom show 01:00").ended(DONE).json["rom"]
    assert rom["size"] == 512 and rom["shows_picture_under_uefi"], rom
    laptop.gpuctl("rom check 01:00").ended(DONE).says("UEFI")
    laptop.gpuctl("rom dump 01:00 --output /tmp/card.rom").ended(DONE)
    assert laptop.run("od -An -v -tx1 /tmp/card.rom | tr -d ' \\n'") == EFI_ROM.hex()
    laptop.gpuctl("vm setup empty --rom auto").ended(DONE).says(AUTO_ROM)
    laptop.run(f"cmp /tmp/card.rom {AUTO_ROM}")
    laptop.gpuctl("attach empty --start").ended(DONE)
    in_vm(laptop)
    laptop.run(f"tr '\\0' ' ' < /proc/$(cat /run/libvirt/qemu/empty.pid)/cmdline | grep -q {AUTO_ROM}")
    assert laptop.gpuctl("--json vm list").ended(DONE)
    laptop.run("virsh destroy empty")
    home(laptop)


@case("a card without ROM: normal, says gpuctl, and what to do where a guest wants one")
def no_rom(laptop):
    laptop.gpuctl("rom check 01:00").says("no ROM of its own", "normal")
    laptop.gpuctl("rom show 01:00").says("normal")
    before = laptop.host_state()
    said = laptop.gpuctl("vm setup empty --rom auto").says("--rom FILE")
    assert said.status, said
    laptop.changed_nothing(before)
