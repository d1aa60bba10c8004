# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon a property is read while a GPU is moved to VFIO and back without a pause, while another user floods, and while a
driver does not come back from remove(); on a /sys that behaves like the kernel's."""
import pathlib
import subprocess
import sys
import threading

from measured import Row

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'bus'))
from dbus_wire import DBusError  # noqa: E402
from machine import MANAGER, ROOT, SERVICE, Machine, until  # noqa: E402

GPU, READS, FLOOD = '0000:01:00.0', 2000, 400


class Meanwhile(threading.Thread):
    """Does one thing over and over until it is told to stop."""
    user = 'root'

    def __init__(self, machine):
        super().__init__()
        self.client, self.stopping, self.done, self.failed = machine.client(self.user), threading.Event(), 0, None
        self.start()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.once()
                self.done += 1
        except Exception as error:  # told by stop(), in the other thread
            self.failed = error

    def stop(self):
        self.stopping.set()
        self.join()
        self.client.close()
        if self.failed or not self.done:
            raise RuntimeError(f'{type(self).__name__}, after {self.done} times: {self.failed}')


class Mover(Meanwhile):
    """Attaches and releases."""
    def once(self):
        for begin in (self.client.attach, self.client.release):
            state, error, message = self.client.finish(begin(GPU))
            if state != 'succeeded':
                raise RuntimeError(f'{error}: {message}')


class Flood(Meanwhile):
    """Asks for what is not allowed, which is a question to polkit each time or too many of them."""
    user = 'alice'

    def once(self):
        bus = self.client.bus
        for serial in [bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', [GPU, '', {}]) for _ in range(FLOOD)]:
            try:
                bus.reply(serial, 30)
            except DBusError:
                continue
            raise RuntimeError('an attach was allowed')


class Hang:
    """A driver that does not come back from remove(): the kernel holds the write to unbind."""
    def __init__(self, machine):
        self.machine, self.client = machine, machine.client()
        machine.fake('hang-remove nvidia 1')
        self.operation = self.client.attach(GPU)
        until(lambda: machine.functions()[GPU]['removing'], what='a remove()')

    def stop(self):
        removing = self.machine.functions()[GPU]['removing']
        self.machine.fake('hang-remove nvidia 0')
        self.client.finish(self.operation)
        until(lambda: self.client.state() in ('host', 'vm'), 30, 'a card that is whole')
        if self.client.state() == 'vm':
            self.client.finish(self.client.release(GPU))
        self.client.close()
        if not removing:
            raise RuntimeError('the driver came back too soon')


def times(client):
    found = subprocess.run([client, 'state', str(READS), '0000_01_00'], check=True, capture_output=True, text=True).stdout
    return sorted(float(line) for line in found.split())


def rows(runs, build):
    found = {'nothing else going on': [], 'a GPU is moved': [], f'another user has {FLOOD} calls in flight': [],
             'a driver hangs in the kernel': []}
    machine = Machine('laptop')
    machine.start()
    for _ in range(runs):
        for meanwhile, all_times in zip((None, Mover, Flood, Hang), found.values()):
            busy = meanwhile(machine) if meanwhile else None
            all_times.append(times(build / 'tests/bench/bench_bus_client'))
            if busy:
                busy.stop()
    machine.close()

    def at(part, all_times):
        return [one[int(len(one) * part)] for one in all_times]
    quiet, *others = found.items()
    return [Row(f'read one property while {what}, {words}', 'ms', {'gpuctld': at(part, all_times), quiet[0]: at(part, quiet[1])}, goals)
            for (what, all_times), goal in zip(others, (('P10', None, 1), ('P10', None, 5), ('R4', None, 50)))
            for part, words, goals in ((.5, 'median', []), (.99, '99 of 100', [goal]))]
