# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in the emulated laptop: sends strings of a megabyte as every argument. busctl and gdbus cannot, as no argument
of a command may be that long; so this speaks D-Bus itself. Exit status 0 if every call was refused with a named error."""
import os
import socket
import struct
import sys

LONG = "x" * (1 << 20)
CALLS = [("Attach", "ssa{sv}", (LONG, "", None)), ("Attach", "ssa{sv}", ("01:00", LONG, None)),
         ("Release", "sa{sv}", (LONG, None)), ("Plan", "sssa{sv}", (LONG, "01:00", "", None)), ("ListUsers", "s", (LONG,))]
METHOD_CALL, ERROR = 1, 3
PATH, INTERFACE, MEMBER, ERROR_NAME, DESTINATION, SIGNATURE = 1, 2, 3, 4, 6, 8


def aligned(data, to):
    return data + bytes(-len(data) % to)


def text(value):
    raw = value.encode()
    return struct.pack("<I", len(raw)) + raw + b"\0"


def field(code, kind, value):
    encoded = bytes([len(value)]) + value.encode() + b"\0" if kind == "g" else aligned(b"", 4) + text(value)
    return bytes([code, 1]) + kind.encode() + b"\0" + encoded


def message(serial, destination, path, interface, member, signature="", arguments=()):
    body = b""
    for argument in arguments:  # strings, and None for an empty dictionary
        body = aligned(body, 4)
        body += text(argument) if argument is not None else aligned(struct.pack("<I", 0), 1)
        if argument is None:
            body = aligned(body, 8)
    fields = b""
    for code, kind, value in ((PATH, "o", path), (INTERFACE, "s", interface), (MEMBER, "s", member),
                              (DESTINATION, "s", destination), (SIGNATURE, "g", signature)):
        if value:
            fields = aligned(fields, 8) + field(code, kind, value)
    head = struct.pack("<BBBBII", ord("l"), METHOD_CALL, 0, 1, len(body), serial) + struct.pack("<I", len(fields))
    return aligned(head + fields, 8) + body


class Bus:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect("/run/dbus/system_bus_socket")
        uid = str(os.getuid()).encode().hex().encode()
        self.socket.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\nBEGIN\r\n")
        self.stream = self.socket.makefile("rb")
        self.stream.readline()
        self.serial = 0
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")

    def call(self, destination, path, interface, member, signature="", arguments=()):
        """(type of the reply, its error name or "")."""
        self.serial += 1
        self.socket.sendall(message(self.serial, destination, path, interface, member, signature, arguments))
        while True:
            kind, reply_to, error = self.receive()
            if reply_to == self.serial:
                return kind, error

    def receive(self):
        _, kind, _, _, body, _, size = struct.unpack("<BBBBIII", self.stream.read(16))
        fields = self.stream.read(size + -size % 8)
        self.stream.read(body)
        return kind, reply_serial(fields[:size]), error_name(fields[:size])


def reply_serial(fields):
    at = fields.find(b"\x05\x01u\0")
    return struct.unpack_from("<I", fields, at + 4)[0] if at >= 0 else 0


def error_name(fields):
    at = fields.find(bytes([ERROR_NAME, 1]) + b"s\0")
    if at < 0:
        return ""
    size, = struct.unpack_from("<I", fields, at + 4)
    return fields[at + 8:at + 8 + size].decode()


def main():
    bus, accepted = Bus(), 0
    for member, signature, arguments in CALLS:
        kind, error = bus.call("org.gpuctl1", "/org/gpuctl1", "org.gpuctl1.Manager", member, signature, arguments)
        print(member, error)
        accepted += kind != ERROR or not error.startswith("org.gpuctl1.Error.")
    return 1 if accepted else 0


sys.exit(main())
