# SPDX-License-Identifier: GPL-2.0-or-later
"""Serves one fake PCI function to a QEMU of version 10.1 or newer:
    python3 -m fakepci --socket S --kind gpu
    qemu ... -device '{"driver":"vfio-user-pci","socket":{"path":"S","type":"unix"},"bus":"rp1","addr":"0x0.0x0"}'
A datagram to S.control changes it: gone (all reads give ones: it has fallen off the bus), back, hangup, counts, quit."""
import argparse
import pathlib
import select
import socket
import sys
import time

from .function import Gpu, PciFunction
from .hda import HdaController
from .vfio_user import Connection

KINDS = {"gpu": (Gpu, "10de:25a0", "030000"), "hda": (HdaController, "10de:2291", "040300"),
         "ucsi": (PciFunction, "10de:1adb", "0c8000")}


def ids(text):
    vendor, device = text.split(":")
    return int(vendor, 16), int(device, 16)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--socket", required=True, type=pathlib.Path)
    parser.add_argument("--kind", choices=KINDS, default="gpu")
    parser.add_argument("--ids")
    parser.add_argument("--subsystem", type=ids, default="1043:1ccc")
    parser.add_argument("--class", dest="class_code", help="six hexadecimal digits")
    parser.add_argument("--rom", type=pathlib.Path)
    parser.add_argument("--no-flr", dest="flr", action="store_false")
    return parser.parse_args()


def log(text):
    print(f"{time.time():.3f} {text}", flush=True)


def bound(path, kind):
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(str(path))
    return sock


def listener(path):
    """It has its name when it can be connected to."""
    unready = path.with_name(path.name + ".unready")
    sock = bound(unready, socket.SOCK_STREAM)
    sock.listen(1)
    unready.rename(path)
    return sock


class Server:
    def __init__(self, function, path):
        self.function, self.connection = function, None
        self.control = bound(path.with_name(path.name + ".control"), socket.SOCK_DGRAM)
        self.socket = listener(path)

    def run(self):
        while True:
            waiting = [self.socket, self.control] + ([self.connection.sock] if self.connection else [])
            ready = select.select(waiting, [], [])[0]
            if self.control in ready:
                self.obey(self.control.recv(256).decode().strip())
            elif self.socket in ready:
                self.accept()
            elif self.connection:
                self.serve()

    def accept(self):
        sock, _ = self.socket.accept()
        if self.connection:
            sock.close()
            return
        self.connection = Connection(sock, self.function)
        log("connected")

    def serve(self):
        try:
            self.connection.serve_one()
        except (EOFError, ConnectionError):
            self.disconnect()

    def disconnect(self):
        if self.connection:
            self.connection.close()
            self.connection = None
            self.function.reset()
            log(f"disconnected {self.function.counts}")

    def obey(self, command):
        log(f"control: {command}")
        if command in ("gone", "back"):
            self.function.gone = command == "gone"
        elif command == "counts":
            log(self.function.counts)
        elif command == "hangup":
            self.disconnect()
        elif command == "quit":
            sys.exit(0)


def main():
    chosen = arguments()
    make, default_ids, default_class = KINDS[chosen.kind]
    function = make(ids(chosen.ids or default_ids), chosen.subsystem, int(chosen.class_code or default_class, 16),
                    rom=chosen.rom.read_bytes() if chosen.rom else b"", flr=chosen.flr, log=log)
    log(f"serving {chosen.kind} at {chosen.socket}")
    Server(function, chosen.socket).run()


main()
