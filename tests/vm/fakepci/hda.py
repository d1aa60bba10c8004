# SPDX-License-Identifier: GPL-2.0-or-later
"""A High Definition Audio controller with one digital output: just enough for the real snd_hda_intel to make a card."""
import struct

from .function import MEMORY32, PciFunction

GCAP, GCTL, STATESTS, INTCTL, INTSTS = 0x00, 0x08, 0x0E, 0x20, 0x24
CORBBASE, CORBWP, CORBRP, CORBCTL = 0x40, 0x48, 0x4A, 0x4C
RIRBBASE, RIRBWP, RIRBCTL, RIRBSTS = 0x50, 0x58, 0x5C, 0x5D
COMMAND, RESPONSE, COMMAND_STATUS = 0x60, 0x64, 0x68
CODEC_ID = 0x10DE009A

# Codec parameters by node: root, function group, output converter, HDMI pin.
PARAMETERS = {
    0: {0x00: CODEC_ID, 0x02: 0x00100100, 0x04: 0x00010001},
    1: {0x05: 0x01, 0x04: 0x00020002, 0x0F: 0x0000000F, 0x0A: 0x001E0070, 0x0B: 1},
    2: {0x09: 0x00000611, 0x0A: 0x001E0070, 0x0B: 1},
    3: {0x09: 0x00400481, 0x0C: 0x00000094, 0x0E: 1},
}
GET_PARAMETER, GET_CONNECTIONS, GET_PIN_CONFIG, GET_SUBSYSTEM = 0xF00, 0xF02, 0xF1C, 0xF20
DIGITAL_HDMI_JACK = 0x185600F0


class HdaController(PciFunction):
    bars = {0: (16384, MEMORY32)}
    interrupt_pin = 2

    def reset(self):
        super().reset()
        self.reset_controller()

    def reset_controller(self):
        self.commands_wait = False
        registers = self.memory[0]
        registers[0:4096] = bytes(4096)
        self.put(GCAP, 2, 0x1001)  # one output stream, 64-bit addresses
        registers[3] = 1  # HDA 1.0
        self.put(0x04, 4, 0x001D003C)

    def get(self, offset, width):
        return int.from_bytes(self.memory[0][offset:offset + width], "little")

    def put(self, offset, width, value):
        self.memory[0][offset:offset + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")

    def write_memory(self, region, offset, data):
        status_before = self.get(STATESTS, 2)
        super().write_memory(region, offset, data)
        touched = range(offset, offset + len(data))
        if GCTL in touched:
            self.control_written()
        if STATESTS in touched:  # write one to clear
            self.put(STATESTS, 2, status_before & ~self.get(STATESTS, 2))
        if offset == COMMAND_STATUS and self.get(COMMAND_STATUS, 2) & 1:
            self.put(RESPONSE, 4, answer(self.get(COMMAND, 4)))
            self.put(COMMAND_STATUS, 2, 2)
        self.ring_written(offset)

    def control_written(self):
        self.put(GCTL, 4, self.get(GCTL, 4) & 0x101)
        if self.get(GCTL, 4) & 1:
            self.put(STATESTS, 2, 1)  # codec 0 is there
        else:
            self.reset_controller()

    def ring_written(self, offset):
        if offset == CORBRP:
            self.put(CORBRP, 2, self.get(CORBRP, 2) & 0x8000)
        if offset == RIRBWP and self.get(RIRBWP, 2) & 0x8000:
            self.put(RIRBWP, 2, 0)
        if offset == RIRBSTS:
            self.put(RIRBSTS, 1, 0)
            self.put(INTSTS, 4, 0)
        if offset in (CORBWP, CORBCTL):
            self.commands_wait = True

    def after_message(self, bus):
        if self.commands_wait:
            self.commands_wait = False
            self.run_commands(bus)

    def run_commands(self, bus):
        """Takes the verbs from the command ring in guest memory and puts the answers into the response ring."""
        if not self.get(CORBCTL, 1) & 2:
            return
        commands, responses = self.get(CORBBASE, 8), self.get(RIRBBASE, 8)
        position, end = self.get(CORBRP, 2) & 255, self.get(CORBWP, 2) & 255
        while position != end:
            position = position + 1 & 255
            raw = bus.dma_read(commands + 4 * position, 4)
            if raw is None:
                return
            verb, = struct.unpack("<I", raw)
            slot = self.get(RIRBWP, 2) + 1 & 255
            bus.dma_write(responses + 8 * slot, struct.pack("<II", answer(verb), verb >> 28))
            self.put(RIRBWP, 2, slot)
            self.put(CORBRP, 2, position)
            self.put(RIRBSTS, 1, self.get(RIRBSTS, 1) | 1)
        if self.get(INTCTL, 4) >> 30 == 3 and self.get(RIRBCTL, 1) & 1:
            self.put(INTSTS, 4, 0xC0000000)
            bus.interrupt()


def answer(verb):
    codec, node, command, argument = verb >> 28, verb >> 20 & 0x7F, verb >> 8 & 0xFFF, verb & 0xFF
    if codec:
        return 0
    if command == GET_PARAMETER:
        return PARAMETERS.get(node, {}).get(argument, 0)
    if command == GET_SUBSYSTEM:
        return CODEC_ID
    if node == 3 and command == GET_CONNECTIONS:
        return 2
    if node == 3 and command == GET_PIN_CONFIG:
        return DIGITAL_HDMI_JACK
    return 0
