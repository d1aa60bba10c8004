# SPDX-License-Identifier: GPL-2.0-or-later
"""What else happens to the machine while a GPU moves: at each write of an attach and of a release the card vanishes, another
device comes and goes, polkitd ends, the bus ends. The GPU is whole afterwards, and moves again.

Two of these points of each kind in the tests; all of them with GPUCTL_ENVIRONMENT=all tests/bus/run test_environment.
"""
import collections
import os
import random
import unittest

from machine import MANAGER, ROOT, until
from trips import GPU, Trips

WANTED = os.environ.get('GPUCTL_ENVIRONMENT', '')
SAMPLE = 2
OTHER = '0000:00:1f.3'
FUNCTIONS = (GPU, '0000:01:00.1')


class Environment(Trips):
    def setUp(self):
        super().setUp()
        self.random, self.ends = random.Random(1), collections.Counter()
        self.root = self.client()
        self.before = self.machine.functions()
        self.round_trip()

    # --- what must hold ---------------------------------------------------------------------------------------------
    def side(self):
        """'host', 'vm', or None while the GPU is neither, its overrides included."""
        found = self.machine.functions()
        if all(found.get(a) == self.before[a] for a in FUNCTIONS):
            return 'host'
        away = all((found[a]['driver'], found[a]['override']) == ('vfio-pci', 'vfio-pci') for a in FUNCTIONS if a in found)
        return 'vm' if away and set(FUNCTIONS) <= set(found) else None

    def round_trip(self):
        self.assertEqual(self.run_to_end('attach'), ('succeeded', '', ''))
        self.assertEqual(self.side(), 'vm')
        self.assertEqual(self.run_to_end('release'), ('succeeded', '', ''))
        self.assertEqual(self.machine.functions(), self.before)

    def idle(self):
        until(lambda: not self.root.get(ROOT, MANAGER, 'Busy'), 60, 'the end of what runs')

    def usable(self):
        self.idle()
        if self.side() != 'host':
            self.assertEqual(self.run_to_end('release')[0], 'succeeded')
        self.round_trip()

    def usable_as_plugged(self):
        """Drivers and overrides; a function that has come anew has the kernel's power setting, not the one of before."""
        self.idle()
        until(lambda: self.root.error(self.root.state) is None and self.root.state() != 'changing', what='the GPU again')
        bindings = lambda functions: {a: (f['driver'], f['override']) for a, f in functions.items()}
        if bindings(self.machine.functions()) != bindings(self.before):
            self.assertEqual(self.run_to_end('release')[0], 'succeeded')
        self.assertEqual(bindings(self.machine.functions()), bindings(self.before))
        self.before = self.machine.functions()
        self.round_trip()

    # --- the points -------------------------------------------------------------------------------------------------
    def points(self):
        found = [(verb, n) for verb in ('attach', 'release') for n in range(self.writes_of(verb))]
        chosen = found if WANTED == 'all' else self.random.sample(found, SAMPLE)
        for verb, n in chosen:
            print(f'\n  {verb}, write {n}', end=' ', flush=True)
            self.ready(verb)
            yield verb, n
        print(f'\n  {len(chosen)} of {len(found)} points: {dict(self.ends)}', end=' ', flush=True)

    def stopped_at(self, verb, n):
        """The operation, at its N-th write."""
        self.machine.fake(f'block * {n} 1')
        operation = getattr(self.root, verb)(GPU)
        until(lambda: len(self.machine.writes()) >= n, what=f'{n} writes')
        return operation

    def goes_on(self, operation):
        self.machine.fake('clear')
        self.assertEqual(self.root.finish(operation, 60), ('succeeded', '', ''))
        self.ends['succeeded'] += 1

    def test_the_card_vanishes_at_each_write(self):
        for verb, n in self.points():
            self.machine.fake(f'vanish * {n} 1')
            state, error, message = self.run_to_end(verb)
            self.machine.fake('clear')
            gone = set(self.before) - set(self.machine.functions())
            self.ends[f'{state}, {len(gone)} gone'] += 1
            if gone & set(FUNCTIONS):
                self.assertIn(state, ('rolled-back', 'failed'))
                self.assertIn('0000:01:00', message)
            for address in sorted(gone):
                self.machine.fake(f'plug {address}')
            self.usable_as_plugged()

    def test_another_device_comes_and_goes_at_each_write(self):
        for verb, n in self.points():
            operation = self.stopped_at(verb, n)
            self.machine.fake(f'unplug {OTHER}')
            self.machine.fake(f'plug {OTHER}')
            self.goes_on(operation)
            self.usable()

    def test_polkitd_ends_at_each_write(self):
        for verb, n in self.points():
            operation = self.stopped_at(verb, n)
            self.machine.policy('dead')
            self.goes_on(operation)
            self.machine.policy(self.policy)
            self.usable()

    def test_the_bus_ends_at_each_write(self):
        for verb, n in self.points():
            self.stopped_at(verb, n)
            self.clients.clear()
            status = self.machine.restart_bus()
            self.ends[f'exit status {status}'] += 1
            self.machine.fake('clear')
            self.machine.start()
            self.root = self.client()
            until(self.side, 20, 'a GPU whole on one side')
            self.usable()


if __name__ == '__main__':
    unittest.main()
