# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped daemon, killed at and refused each change it makes: nothing is lost, and the next request works.

A sample of the points in the tests; all of them with GPUCTL_KILL_MATRIX=all tests/bus/run test_kill_matrix, or N of each
kind with GPUCTL_KILL_MATRIX=N. Several runs side by side do not meet: one for each class or test
(tests/bus/run test_kill_matrix.Laptop).
"""
import collections
import itertools
import os
import pathlib
import random
import signal
import subprocess
import time
import unittest

from case import BusTest
from machine import WORK, until

ERRORS = ['EBUSY', 'ENODEV', 'EINVAL', 'EIO', 'ENOMEM', 'EACCES', 'EINTR']
FAULTS = [*(f'fail * {error}' for error in ERRORS), 'late-fail * EIO', 'short *']
STATE_CALLS = 'fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat'
FILE_ERRORS = ['ENOSPC', 'EROFS', 'EIO']
WANTED = os.environ.get('GPUCTL_KILL_MATRIX', '')
GPU = '0000:01:00.0'


class Matrix(BusTest):
    """Each point starts from a whole machine and ends with the proof that it is one again."""
    sample = 4

    def setUp(self):
        super().setUp()
        self.counts, self.slowest, self.random = collections.Counter(), 0, random.Random(1)
        self.root = self.client()
        self.before = self.machine.functions()
        self.round_trip()
        self.files = self.state_files()

    def tearDown(self):
        counted = ', '.join(f'{count} {name}' for name, count in sorted(self.counts.items()))
        print(f'\n  {self.machine_name}: {counted}; whole again after at most {self.slowest:.1f} s', end=' ', flush=True)
        super().tearDown()

    # --- what must hold --------------------------------------------------------------------------------------------
    def state_files(self):
        return sorted(str(p) for d in (WORK / 'state', pathlib.Path('/run/gpuctl')) for p in d.rglob('*') if p.is_file())

    def moved(self):
        return {a: f for a, f in self.machine.functions().items() if a.startswith('0000:01:00')}

    def side(self):
        """'host', 'vm', or None while the GPU is neither, its overrides included."""
        found = self.moved()
        if all(f['driver'] == self.before[a]['driver'] and f['override'] == self.before[a]['override'] for a, f in found.items()):
            return 'host'
        return 'vm' if all((f['driver'], f['override']) == ('vfio-pci', 'vfio-pci') for f in found.values()) else None

    def run_to_end(self, verb):
        operation = getattr(self.root, verb)(GPU)
        return self.root.finish(operation, 60)

    def round_trip(self):
        self.assertEqual(self.run_to_end('attach'), ('succeeded', '', ''))
        self.assertEqual(self.side(), 'vm')
        self.assertEqual(self.run_to_end('release'), ('succeeded', '', ''))
        self.assertEqual(self.machine.functions(), self.before)

    def ready(self, verb):
        """The GPU where VERB starts; nothing recorded."""
        if verb == 'release':
            self.assertEqual(self.run_to_end('attach')[0], 'succeeded')
        self.machine.fake('forget')

    def usable(self):
        """Whatever happened: home, out and home again, and nothing is left."""
        self.machine.fake('clear')
        until(lambda: self.root.error(self.root.release, GPU) != 'Busy', 20, 'the end of what ran')
        until(lambda: not self.root.get('/org/gpuctl1', 'org.gpuctl1.Manager', 'Busy'), 60, 'the end of that release')
        if self.side() != 'host':
            self.assertEqual(self.run_to_end('release')[0], 'succeeded')
        self.round_trip()
        self.assertEqual(self.state_files(), self.files)

    def chosen(self, points, sample=None):
        """Of all these points those that are wanted, one after the other; long runs tell how far they are."""
        points = list(points)
        wanted = {'all': len(points), '': sample or self.sample}.get(WANTED) or int(WANTED)
        picked = self.random.sample(points, min(len(points), wanted))
        for number, point in enumerate(picked, 1):
            yield point
            if number % 25 == 0:
                print(f'{number}/{len(picked)}', end=' ', flush=True)
        self.counts[f'points of {len(points)}'] = len(picked)

    def writes_of(self, verb):
        self.ready(verb)
        self.assertEqual(self.run_to_end(verb)[0], 'succeeded')
        count = len(self.machine.writes())
        if verb == 'attach':
            self.assertEqual(self.run_to_end('release')[0], 'succeeded')
        return count

    def again(self):
        """The daemon anew, after it has ended."""
        self.clients.remove(self.root)
        self.root.close()
        self.machine.start()
        self.root = self.client()

    def killed(self):
        """After the daemon has ended in the middle: a new one settles it by itself."""
        self.machine.fake('clear')
        self.again()
        began = time.monotonic()
        until(self.side, 20, 'a GPU whole on one side')
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.usable()

    # --- the points ------------------------------------------------------------------------------------------------
    def test_killed_at_each_write(self):
        points = [(verb, n) for verb in ('attach', 'release') for n in range(self.writes_of(verb))]
        for verb, n in self.chosen(points):
            with self.subTest(verb=verb, killed_at_write=n):
                self.ready(verb)
                self.machine.fake(f'block * {n} 1')
                getattr(self.root, verb)(GPU)
                until(lambda: len(self.machine.writes()) >= n, what=f'{n} writes')
                self.machine.stop(signal.SIGKILL)
                self.killed()
                self.counts['kills at writes'] += 1

    def traced(self, *options):
        """The daemon anew, as strace runs it; the GPU stays as it is."""
        self.machine.stop()
        self.clients.remove(self.root)
        self.root.close()
        self.machine.start(prefix=['strace', '-f', '-D', '-qq', '--seccomp-bpf', '-e', f'trace={STATE_CALLS}', *options])
        self.root = self.client()

    def calls_of(self, verb):
        """How many calls that change its own files the process makes that makes most of them: each counts for itself."""
        said = WORK / 'calls'
        self.ready(verb)
        self.traced('-o', str(said))
        self.assertEqual(self.run_to_end(verb)[0], 'succeeded')
        self.machine.stop()
        self.again()
        self.usable()
        pids = (line.split()[0] for line in said.read_text().splitlines() if 'resumed>' not in line)
        return max(collections.Counter(pids).values())

    def own_calls(self):
        return [(verb, n) for verb in ('attach', 'release') for n in range(1, self.calls_of(verb) + 1)]

    def at_own_call(self, verb, n, what):
        """What becomes of VERB when WHAT happens at the N-th of these calls; the daemon is killed afterwards."""
        self.ready(verb)
        self.traced('-o', '/dev/null', '-e', f'inject={STATE_CALLS}:{what}:when={n}')
        self.root.error(self.root.attach if verb == 'attach' else self.root.release, GPU)
        until(lambda: self.machine.daemon.poll() is not None or not self.root.get('/org/gpuctl1', 'org.gpuctl1.Manager', 'Busy'),
              30, 'an end')
        self.machine.stop(signal.SIGKILL)
        self.killed()

    def test_killed_at_each_call_that_changes_its_own_files(self):
        for verb, n in self.chosen(self.own_calls(), 2):
            with self.subTest(verb=verb, killed_at_call=n):
                self.at_own_call(verb, n, 'signal=KILL')
                self.counts['kills at its own files'] += 1

    def test_each_error_at_each_call_that_changes_its_own_files(self):
        for (verb, n), error in self.chosen(itertools.product(self.own_calls(), FILE_ERRORS), 2):
            with self.subTest(verb=verb, call=n, error=error):
                self.at_own_call(verb, n, f'error={error}')
                self.counts['errors at its own files'] += 1

    def test_each_error_at_each_write(self):
        points = [(verb, n, fault) for verb in ('attach', 'release') for n in range(self.writes_of(verb)) for fault in FAULTS]
        for verb, n, fault in self.chosen(points, self.sample):
            with self.subTest(verb=verb, write=n, fault=fault):
                self.ready(verb)
                self.machine.fake(f'{fault} {n} 1')
                state, error, message = self.run_to_end(verb)
                self.counts[f'errors: {state}'] += 1
                if state == 'succeeded':
                    self.assertEqual(self.side(), 'vm' if verb == 'attach' else 'host', 'no silent success')
                else:
                    self.assertRegex(message, '0000:01:00')
                    self.assertEqual(self.side(), 'host' if verb == 'attach' else 'vm', f'{state}: {error}: {message}')
                self.usable()

    def test_pairs_of_errors_also_in_the_way_back(self):
        counts = {verb: self.writes_of(verb) for verb in ('attach', 'release')}
        points = [(verb, a, b) for verb, count in counts.items() for a in range(count) for b in range(a + 1, count + 6)]
        for verb, a, b in self.chosen(points):
            first, second = self.random.choice(FAULTS), self.random.choice(FAULTS)
            with self.subTest(verb=verb, writes=(a, b), faults=(first, second)):
                self.ready(verb)
                self.machine.fake(f'{first} {a} 1')
                self.machine.fake(f'{second} {b - 1} 1')
                state, error, message = self.run_to_end(verb)
                self.counts[f'pairs: {state}'] += 1
                if state in ('succeeded', 'rolled-back'):
                    self.assertIsNotNone(self.side(), f'{state}: {error}: {message}')
                else:
                    self.assertTrue(message)
                self.usable()

    def test_a_kill_and_then_errors_in_the_recovery(self):
        points = [(verb, n, m) for verb in ('attach', 'release') for n in range(self.writes_of(verb)) for m in range(6)]
        for verb, n, m in self.chosen(points, self.sample // 2 or 1):
            fault = self.random.choice(FAULTS)
            with self.subTest(verb=verb, killed_at_write=n, then=fault, at=m):
                self.ready(verb)
                self.machine.fake(f'block * {n} 1')
                getattr(self.root, verb)(GPU)
                until(lambda: len(self.machine.writes()) >= n, what=f'{n} writes')
                self.machine.stop(signal.SIGKILL)
                self.machine.fake('clear')
                self.machine.fake(f'{fault} {m} 1')
                self.again()
                until(lambda: not self.root.get('/org/gpuctl1', 'org.gpuctl1.Manager', 'Busy'), 30, 'the end of the recovery')
                self.usable()
                self.counts['kills with an error in the recovery'] += 1

    def test_where_the_journal_cannot_be_written_nothing_changes(self):
        state = '/run/gpuctl'
        subprocess.run(['mount', '--bind', state, state], check=True)
        try:
            subprocess.run(['mount', '-o', 'remount,bind,ro', state], check=True)
            outcome = None
            try:
                outcome = self.run_to_end('attach')
            except Exception as refused:
                self.assertRegex(str(refused), 'org.gpuctl1.Error')
            if outcome:
                self.assertIn(outcome[0], ('rolled-back', 'failed'))
            self.assertEqual(self.side(), 'host')
        finally:
            subprocess.run(['umount', state], check=True)
        self.counts['read-only journals'] += 1
        self.usable()


class OneFunction(Matrix):
    machine_name = 'one-function'
    sample = 1


class Laptop(Matrix):
    machine_name = 'laptop'


class FourFunctions(Matrix):
    machine_name = 'four-functions'
    sample = 1


del Matrix

if __name__ == '__main__':
    unittest.main()
