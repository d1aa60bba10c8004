# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in the emulated laptop, beside tests/bus/dbus_wire.py: how long gpuctld takes for what `gpuctl list` asks it, on a
connection that is open already. usage: time_answers.py TIMES; prints milliseconds, the quickest first."""
import sys
import time

from dbus_wire import Bus

bus = Bus()
took = []
for _ in range(int(sys.argv[1])):
    began = time.perf_counter()
    bus.call("org.gpuctl1", "/org/gpuctl1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    took.append((time.perf_counter() - began) * 1000)
print(*(f"{each:.1f}" for each in sorted(took)))
