# SPDX-License-Identifier: GPL-2.0-or-later
"""One PCI function as software sees it: configuration space, BARs, option ROM, reset, "fallen off the bus"."""
import mmap
import struct

CONFIG_SIZE = 4096
ROM_REGION, CONFIG_REGION = 6, 7
MEMORY32, MEMORY64_PREFETCHABLE, IO_PORTS = 0x0, 0xC, 0x1
POWER_MANAGEMENT, MSI, PCI_EXPRESS = 0x60, 0x68, 0x78
PMC_BOOT_0 = 0x176000A1  # what a GA106 answers at the start of BAR 0


class PciFunction:
    """Subclasses give the BARs {index: (size, kind)} and react to written registers."""

    bars = {0: (4096, MEMORY32)}
    interrupt_pin = 1

    def __init__(self, ids, subsystem, class_code, rom=b"", flr=True, log=print):
        self.ids, self.subsystem, self.class_code, self.flr, self.log = ids, subsystem, class_code, flr, log
        self.rom = padded_to_power_of_two(rom)
        self.memory = {index: mmap.mmap(-1, max(size, 4096)) for index, (size, _) in self.bars.items()}
        self.gone = False
        self.counts = {"read": 0, "write": 0, "flr": 0, "reset": 0}
        self.config, self.writable = bytearray(CONFIG_SIZE), bytearray(CONFIG_SIZE)
        self.reset()

    # configuration space

    def define(self, offset, width, value, writable=0):
        """A register of WIDTH bytes with its reset VALUE and the bits that software can change."""
        mask = (1 << 8 * width) - 1
        self.config[offset:offset + width] = (value & mask).to_bytes(width, "little")
        self.writable[offset:offset + width] = (writable & mask).to_bytes(width, "little")

    def reset(self):
        self.config[:] = bytes(CONFIG_SIZE)
        self.writable[:] = bytes(CONFIG_SIZE)
        self.define_header()
        self.define_capabilities()

    def define_header(self):
        self.define(0x00, 2, self.ids[0])
        self.define(0x02, 2, self.ids[1])
        self.define(0x04, 2, 0, 0x0547)  # command
        self.define(0x06, 2, 0x0010)  # status: has capabilities
        self.define(0x08, 4, self.class_code << 8 | 0xA1)
        self.define(0x0C, 1, 0, 0xFF)
        self.define(0x0E, 1, 0x80)  # multifunction
        for index, (size, kind) in self.bars.items():
            self.define(0x10 + 4 * index, 4, kind, -size)
            if kind == MEMORY64_PREFETCHABLE:
                self.define(0x14 + 4 * index, 4, 0, 0xFFFFFFFF)
        self.define(0x2C, 2, self.subsystem[0])
        self.define(0x2E, 2, self.subsystem[1])
        if self.rom:
            self.define(0x30, 4, 0, -len(self.rom) & 0xFFFFF800 | 1)
        self.define(0x34, 1, POWER_MANAGEMENT)
        self.define(0x3C, 1, 0, 0xFF)
        self.define(0x3D, 1, self.interrupt_pin)

    def define_capabilities(self):
        self.define(POWER_MANAGEMENT, 2, MSI << 8 | 0x01)
        self.define(POWER_MANAGEMENT + 2, 2, 0x4803)  # PME from D3hot and D3cold
        self.define(POWER_MANAGEMENT + 4, 2, 0x0008, 0x0103)  # no soft reset; PME status is cleared by writing it
        self.define(MSI, 2, PCI_EXPRESS << 8 | 0x05)
        self.define(MSI + 2, 2, 0x0080, 0x0071)
        self.define(MSI + 4, 4, 0, 0xFFFFFFFC)
        self.define(MSI + 8, 4, 0, 0xFFFFFFFF)
        self.define(MSI + 12, 2, 0, 0xFFFF)
        self.define(PCI_EXPRESS, 2, 0x10)
        self.define(PCI_EXPRESS + 2, 2, 0x0002)  # version 2, endpoint
        self.define(PCI_EXPRESS + 4, 4, 0x8001 | (1 << 28 if self.flr else 0))
        self.define(PCI_EXPRESS + 8, 2, 0x2810, 0xFFFF)
        self.define(PCI_EXPRESS + 12, 4, 0x00477104)
        self.define(PCI_EXPRESS + 16, 2, 0, 0x0FFF)
        self.define(PCI_EXPRESS + 18, 2, 0x1104)

    # regions

    def region_size(self, region):
        if region == CONFIG_REGION:
            return CONFIG_SIZE
        if region == ROM_REGION:
            return len(self.rom)
        return self.bars[region][0] if region in self.bars else 0

    def read(self, region, offset, count):
        self.counts["read"] += 1
        if self.gone:
            return b"\xff" * count
        source = {CONFIG_REGION: self.config, ROM_REGION: self.rom}.get(region) or self.memory.get(region, b"")
        return bytes(source[offset:offset + count]).ljust(count, b"\0")

    def write(self, region, offset, data):
        self.counts["write"] += 1
        if self.gone:
            return
        if region == CONFIG_REGION:
            self.write_config(offset, data)
        elif region in self.memory:
            self.write_memory(region, offset, data)

    def write_config(self, offset, data):
        for at, byte in enumerate(data, offset):
            self.config[at] = self.config[at] & ~self.writable[at] | byte & self.writable[at]
        touched = range(offset, offset + len(data))
        device_control = PCI_EXPRESS + 9
        if device_control in touched and self.config[device_control] & 0x80:
            self.config[device_control] &= 0x7F
            self.function_level_reset()
        if POWER_MANAGEMENT + 4 in touched:
            self.log(f"power state D{self.config[POWER_MANAGEMENT + 4] & 3}")

    def write_memory(self, region, offset, data):
        self.memory[region][offset:offset + len(data)] = data

    def function_level_reset(self):
        if self.flr:
            self.counts["flr"] += 1
            self.log("function level reset")
            self.reset()

    def after_message(self, bus):
        """Work that needs DMA, to be done when nobody waits for a reply."""


class Gpu(PciFunction):
    bars = {0: (16 << 20, MEMORY32), 1: (64 << 20, MEMORY64_PREFETCHABLE), 3: (32 << 20, MEMORY64_PREFETCHABLE),
            5: (128, IO_PORTS)}

    def reset(self):
        super().reset()
        self.memory[0][0:4] = struct.pack("<I", PMC_BOOT_0)


def padded_to_power_of_two(rom):
    if not rom:
        return rom
    size = max(2048, 1 << (len(rom) - 1).bit_length())
    return rom.ljust(size, b"\xff")
