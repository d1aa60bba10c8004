# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kill matrix and the error matrix have in common: a GPU that starts whole and must end whole.

A sample of the points in the tests; all of them with GPUCTL_KILL_MATRIX=all tests/bus/run test_kill_matrix (or
test_error_matrix), or N of each kind with GPUCTL_KILL_MATRIX=N. Several runs side by side do not meet: one for each class or test
(tests/bus/run test_kill_matrix.Laptop).
"""
import collections
import os
import pathlib
import random
import signal
import time

from machine import MANAGER, ROOT, WORK, until
from trips import GPU, Trips

VERBS = {'attach': ('host', 'vm'), 'release': ('vm', 'host')}  # from where, to where
WANTED = os.environ.get('GPUCTL_KILL_MATRIX', '')
JOURNALS = pathlib.Path('/run/gpuctl/journal')


def patience():
    """The 2 s within which a GPU is whole again, longer by what else the machine's processors have to do."""
    return 2 * max(1, os.getloadavg()[0] / os.cpu_count())


class Matrix(Trips):
    """Each point starts from a whole machine and ends with the proof that it is one again, in time; one that was late is
    tried once more, for what keeps the whole machine waiting is not seen in its load."""
    sample = 4

    def setUp(self):
        super().setUp()
        self.counts, self.slowest, self.late, self.random = collections.Counter(), 0, None, random.Random(1)
        self.machine.stop()
        self.quiet = WORK / 'quiet'
        (self.quiet / 'etc/gpuctl').mkdir(parents=True, exist_ok=True)
        (self.quiet / 'etc/gpuctl/gpuctl.toml').write_text('[log]\nlevel = "error"\n')  # no writes but those that count
        self.machine.start(*self.arguments())
        self.root = self.client()
        self.sides = {'host': self.functions()}
        self.assertEqual(self.run_to_end('attach'), ('succeeded', '', ''))
        self.sides['vm'], self.files = self.functions(), {'vm': self.state_files()}
        self.assertEqual(self.run_to_end('release'), ('succeeded', '', ''))
        self.files['host'] = self.state_files()
        self.assertEqual(self.side(), 'host')

    def tearDown(self):
        counted = ', '.join(f'{count} {name}' for name, count in sorted(self.counts.items()))
        print(f'\n  {self.machine_name}: {counted}; whole again after at most {self.slowest:.2f} s', end=' ', flush=True)
        super().tearDown()

    def arguments(self):
        return ['--config-root', str(self.quiet)]

    # --- what must hold --------------------------------------------------------------------------------------------
    def state_files(self):
        return sorted(str(p) for d in (WORK / 'state', pathlib.Path('/run/gpuctl')) for p in d.rglob('*') if p.is_file())

    def functions(self):
        """What is set of each: the power that it takes just now is its own affair."""
        return {address: {name: value for name, value in function.items() if name != 'power_state'}
                for address, function in self.machine.functions().items()}

    def side(self):
        """'host', 'vm', or None while the machine is neither: drivers, overrides and power settings."""
        found = self.functions()
        return next((name for name, functions in self.sides.items() if found == functions), None)

    def busy(self):
        return self.root.get(ROOT, MANAGER, 'Busy')

    def settled(self):
        """The side on which the GPU is, with the files of that side and nothing going on."""
        side = self.side()
        return side if side and not self.busy() and self.state_files() == self.files[side] else None

    def differences(self):
        """Of the machine from either side, and of the files."""
        found, files = self.functions(), self.state_files()
        def of(side):
            return [f'{address} {name}: {value}, not {wanted[name]}' for address, wanted in self.sides[side].items()
                    for name, value in found[address].items() if value != wanted[name]]
        return {side: (of(side), sorted(set(files) ^ set(self.files[side]))) for side in self.sides}

    def assert_settles(self, began):
        """By itself, and whether in time; the side."""
        try:
            side = until(self.settled, patience() + 10, 'a GPU whole on one side')
        except TimeoutError:
            self.fail(self.differences())
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        if took >= patience():
            self.late = f'whole on the side of the {side} after {took:.1f} s'
        return side

    def usable(self):
        """From where it is: home, out and home again, and nothing is left."""
        for verb in ('release', 'attach', 'release') if self.side() != 'host' else ('attach', 'release'):
            self.assertEqual(self.run_to_end(verb), ('succeeded', '', ''), verb)
            self.assertEqual(self.settled(), VERBS[verb][1], (verb, self.differences()))

    def again(self, **how):
        """The daemon anew, after it has ended."""
        self.clients.remove(self.root)
        self.root.close()
        self.machine.start(*self.arguments(), **how)
        self.root = self.client()

    # --- the points ------------------------------------------------------------------------------------------------
    def chosen(self, points, sample=None):
        """Of all these points those that are wanted, one after the other; long runs tell how far they are."""
        points = list(points)
        wanted = {'all': len(points), '': sample or self.sample}.get(WANTED) or int(WANTED)
        picked = self.random.sample(points, min(len(points), wanted))
        for number, point in enumerate(picked, 1):
            yield from self.tried(point)
            if number % 25 == 0:
                print(f'{number}/{len(picked)}', end=' ', flush=True)
        self.counts[f'points of {len(points)}'] = len(picked)

    def tried(self, point):
        chance = self.random.getstate()
        for time_ in ('once', 'twice'):
            self.late = None
            self.random.setstate(chance)
            self.whole_again()
            yield point
            if self.late is None:
                return
            self.counts[f'points late {time_}'] += 1
        with self.subTest(point=point):
            self.fail(f'{self.late}, and so before')

    def whole_again(self):
        """A point that has failed does not spoil the next one."""
        if self.machine.status() == 'running' and self.settled() == 'host':
            return
        self.machine.fresh()
        self.again()
        self.run_to_end('attach')
        self.run_to_end('release')

    def killed_at_write(self, verb, n):
        """While the kernel has the write; it goes on with it when the daemon is gone."""
        self.ready(verb)
        self.machine.fake(f'block * {n} 1')
        getattr(self.root, verb)(GPU)
        until(lambda: self.machine.fake('writes')['held'], what=f'write {n}')
        self.machine.kill('clear')


class OneFunction:
    machine_name = 'one-function'
    sample = 1


class Laptop:
    machine_name = 'laptop'


class FourFunctions:
    machine_name = 'four-functions'
    sample = 1
