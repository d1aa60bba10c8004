# SPDX-License-Identifier: GPL-2.0-or-later
"""Tries the probes of tests/faults/probes.txt, given on standard input, on this kernel; prints each that comes out otherwise."""
import errno
import os
import sys

ADDRESSES = {"gpu": "0000:01:00.0", "audio": "0000:01:00.1"}
BUS = "/sys/bus/pci"


def write(path, text):
    try:
        file = os.open(path, os.O_WRONLY)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"


def read(path):
    try:
        with open(path) as file:
            text = file.read().strip()
    except OSError:
        return "-"
    return "-" if text in ("", "(null)") else text


def tried(verb, function="gpu", driver=""):
    address = ADDRESSES[function]
    device = f"{BUS}/devices/{address}"
    if verb == "override":
        return write(f"{device}/driver_override", "\n" if driver == "-" else driver)
    if verb in ("bind", "unbind"):
        return write(f"{BUS}/drivers/{driver}/{verb}", address)
    if verb == "remove":
        return write(f"{device}/remove", "1")
    if verb == "rescan":
        return write(f"{BUS}/rescan", "1")
    if verb == "driver":
        return os.path.basename(os.readlink(f"{device}/driver")) if os.path.exists(f"{device}/driver") else "-"
    if verb == "present":
        return "yes" if os.path.exists(device) else "no"
    return read(f"{device}/power/control" if verb == "power" else f"{device}/driver_override")


def main():
    probes = [line.strip() for line in sys.stdin if " = " in line and not line.startswith("#")]
    for line in probes:
        probe, expected = line.split(" = ")
        result = tried(*probe.split())
        if result != expected:
            print(f"{probe}: {result}, the model says {expected}")
    print(f"{len(probes)} probes")


main()
