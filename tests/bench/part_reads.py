# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon a property is read while a GPU is moved to VFIO and back without a pause, on a /sys that behaves like the kernel's."""
import pathlib
import subprocess
import sys
import threading

from measured import Row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'bus'))
from machine import Machine  # noqa: E402

GPU, READS = '0000:01:00.0', 2000


class Mover(threading.Thread):
    """Attaches and releases until it is told to stop."""
    def __init__(self, machine):
        super().__init__()
        self.client, self.stopping, self.moves, self.failed = machine.client(), threading.Event(), 0, None
        self.start()

    def run(self):
        try:
            while not self.stopping.is_set():
                for begin in (self.client.attach, self.client.release):
                    state, error, message = self.client.finish(begin(GPU))
                    if state != 'succeeded':
                        raise RuntimeError(f'{error}: {message}')
                    self.moves += 1
        except Exception as error:  # told by stop(), in the other thread
            self.failed = error

    def stop(self):
        self.stopping.set()
        self.join()
        self.client.close()
        if self.failed or not self.moves:
            raise RuntimeError(f'after {self.moves} moves: {self.failed}')


def times(client):
    found = subprocess.run([client, 'state', str(READS), '0000_01_00'], check=True, capture_output=True, text=True).stdout
    return sorted(float(line) for line in found.split())


def rows(runs, build):
    machine, quiet, moving = Machine('laptop'), [], []
    machine.start()
    for _ in range(runs):
        quiet.append(times(build / 'tests/bench/bench_bus_client'))
        mover = Mover(machine)
        moving.append(times(build / 'tests/bench/bench_bus_client'))
        mover.stop()
    machine.close()

    def at(part, all_times):
        return [one[int(len(one) * part)] for one in all_times]
    return [Row('read one property while a GPU is moved, median', 'ms', {'gpuctld': at(.5, moving), 'nothing else going on': at(.5, quiet)}),
            Row('read one property while a GPU is moved, 99 of 100', 'ms', {'gpuctld': at(.99, moving), 'nothing else going on': at(.99, quiet)},
                [('P10', None, 1)])]
