# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in the emulated laptop, beside tests/bus/dbus_wire.py: a shell command at one moment of a gpuctl operation.
usage: at_step.py NUMBER COMMAND GPUCTL-ARGUMENT...: the command runs when gpuctld has told of an operation's progress for the
NUMBERth time (two times a step). Prints the exit status of gpuctl, and "reached" or "over before"."""
import subprocess
import sys

from dbus_wire import Bus

number, command, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
bus, told, reached = Bus(), 0, None
bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s",
         ["type='signal',interface='org.freedesktop.DBus.Properties',path_namespace='/org/gpuctl1/operations'"])
child = subprocess.Popen(["gpuctl", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while child.poll() is None:
    bus.receive(0.05)
    told += sum("Steps" in signal.body[1] for signal in bus.signals if signal.member == "PropertiesChanged")
    bus.signals.clear()
    if told >= number and reached is None:
        reached = subprocess.Popen(command, shell=True)
if reached:
    reached.wait()
print(child.returncode, "reached" if reached else "over before")
