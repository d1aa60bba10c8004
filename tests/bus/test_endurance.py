# SPDX-License-Identifier: GPL-2.0-or-later
"""Round trips without end, and many clients at once against a model of what may be true.

GPUCTL_ROUND_TRIPS (default 20; 10000 by hand), GPUCTL_CLIENTS (default 16; 64 by hand).
"""
import collections
import os
import random
import time
import unittest

from case import BusTest
from dbus_wire import Variant
from machine import GPU, MANAGER, ROOT, SERVICE

ROUND_TRIPS = int(os.environ.get('GPUCTL_ROUND_TRIPS', 20))
CLIENTS = int(os.environ.get('GPUCTL_CLIENTS', 16))
CALLS = int(os.environ.get('GPUCTL_CALLS', 10))
NVIDIA = ROOT + '/gpus/0000_01_00'
QUIET = {'interactive': Variant('b', False)}


class Endurance(BusTest):
    measures_memory = True

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.machine.daemon.pid}/fd'))

    def rss(self):
        return int(open(f'/proc/{self.machine.daemon.pid}/statm').read().split()[1]) * 4

    def round_trip(self, client):
        self.assertEqual(client.finish(client.attach('0000:01:00.0'))[0], 'succeeded')
        self.assertEqual(client.finish(client.release('0000:01:00.0'))[0], 'succeeded')
        client.bus.signals.clear()

    def test_round_trips_leave_no_memory_and_no_descriptor_behind(self):
        root, before = self.client(), self.machine.functions()
        settled = min(300, max(ROUND_TRIPS // 2, 1))  # finished operations are kept for a while: a plateau, not a leak
        for _ in range(settled):
            self.round_trip(root)
        descriptors, rss, began = self.descriptors(), self.rss(), time.monotonic()
        for _ in range(ROUND_TRIPS - settled):
            self.round_trip(root)
        took = time.monotonic() - began
        print(f'\n  {ROUND_TRIPS} round trips, {took / max(1, ROUND_TRIPS - settled) * 1000:.0f} ms each; after {settled}: '
              f'{self.descriptors() - descriptors} descriptors and {self.rss() - rss} kB more', end=' ', flush=True)
        self.assertLessEqual(self.descriptors(), descriptors)
        self.assertLess(self.rss() - rss, 1024)
        self.assertEqual(self.machine.functions(), before)


class Crowd(BusTest):
    """One GPU, many clients that attach and release at random; one operation at a time is what the model allows."""

    def ask(self, client):
        verb = self.random.choice(['Attach', 'Release', 'State'])
        if verb == 'State':
            serial = client.bus.send_call(SERVICE, NVIDIA, 'org.freedesktop.DBus.Properties', 'Get', 'ss', [GPU, 'State'])
        else:
            signature, arguments = ('ssa{sv}', ['0000:01:00.0', '', QUIET]) if verb == 'Attach' else ('sa{sv}', ['0000:01:00.0', QUIET])
            serial = client.bus.send_call(SERVICE, ROOT, MANAGER, verb, signature, arguments)
        return verb, serial

    def take(self, client, verb, serial):
        """Counts the answer; operations that were granted are remembered with their verb."""
        answered = []
        error = client.error(lambda: answered.extend(client.bus.reply(serial, 120)))
        self.counted[f'{verb}: {error or "ok"}'] += 1
        if verb == 'State':
            self.assertIn(answered[0].value, ('host', 'vm', 'changing', 'mixed', 'unbound'))
        else:
            self.assertIn(error, (None, 'Busy', 'LimitsExceeded'))
            if not error:
                self.granted.append((answered[0], verb))

    def side(self):
        drivers = {f['driver'] for a, f in self.machine.functions().items() if a.startswith('0000:01:00')}
        return {('vfio-pci',): 'vm', ('nvidia', 'snd_hda_intel'): 'host'}.get(tuple(sorted(drivers)))

    def replay(self):
        """Operations in the order of their numbers: each must have ended where its verb says, from what the last left."""
        side = 'host'
        root = self.client()
        for path, verb in sorted(set(self.granted), key=lambda entry: int(entry[0].rsplit('/', 1)[1])):
            if path not in root.objects():
                continue  # finished ones are not kept for ever
            state, error, message = root.finish(path, 60)
            self.assertEqual(state, 'succeeded', f'{path}: {error} {message}')
            side = 'vm' if verb == 'Attach' else 'host'
        self.assertEqual(self.side(), side)

    def test_clients_at_random_agree_with_the_model(self):
        self.random, self.granted, self.counted = random.Random(7), [], collections.Counter()
        clients = [self.client('root') for _ in range(CLIENTS)]
        for _ in range(CALLS):
            asked = [(client, *self.ask(client)) for client in clients]
            for client, verb, serial in asked:
                self.take(client, verb, serial)
                client.bus.signals.clear()
        self.replay()
        print(f'\n  {CLIENTS} clients, {CLIENTS * CALLS} calls: {dict(self.counted)}', end=' ', flush=True)
        self.assertGreater(len(self.granted), 0)


if __name__ == '__main__':
    unittest.main()
