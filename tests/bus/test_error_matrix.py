# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped daemon, refused each change it makes: all is as before, or it says what is left. See matrix.py."""
import errno
import itertools
import os
import re
import subprocess
import time
import unittest

import matrix
from machine import OPERATION, until
from matrix import GPU, VERBS, patience
from own_calls import OWN_FILES, Trace

ERRORS = ['EBUSY', 'ENODEV', 'EINVAL', 'EIO', 'ENOMEM', 'EACCES', 'EINTR']
LATE = 'late-fail * EIO'
FAULTS = [*(f'fail * {error}' for error in ERRORS), LATE, 'short *']
FILE_ERRORS = ['ENOSPC', 'EROFS', 'EIO']
ADDRESS = re.compile(r'0000:01:00\.\d')
# A directory may refuse to be synced: the rename itself was accepted. Without a VM there is no assignment to remove.
HARMLESS = re.compile(r'^\d+</run/gpuctl/\w+>|/state/assignments/')


def symbol(fault):
    """What the daemon makes of it: a short write is an I/O error."""
    return 'EIO' if fault == 'short *' else fault.split()[-1]


class Errors(matrix.Matrix):
    # --- what must hold --------------------------------------------------------------------------------------------
    def address(self, n):
        """The function that the N-th write was about, once it was refused; None if it was not."""
        writes = self.machine.writes()
        refused = n < len(writes) and (writes[n]['result'] or len(writes[n]['text']) == 1)
        return ADDRESS.findall(writes[n]['path'] + writes[n]['text'])[-1] if refused else None

    def assert_refused(self, address, fault, message):
        """Device, step and errno. A driver that has gone already is no error of an unbind: it is looked for then."""
        said = rf'{address}: [^:]+: .+ \({symbol(fault)}\)'
        gone = rf'{address}: unbind: \S+ still has it' if fault == 'fail * ENODEV' else said
        self.assertRegex(message, f'{said}|{gone}')

    def assert_outcome(self, verb, state, told):
        """Done is done, and taken back is as before."""
        start, goal = VERBS[verb]
        self.assertEqual(self.settled(), goal if state == 'succeeded' else start, (state, told, self.differences()))

    def failed_recovery(self):
        """What the last recovery says, if it has failed."""
        shown = sorted((int(path.split('/')[-1]), {name: value.value for name, value in interfaces[OPERATION].items()})
                       for path, interfaces in self.root.objects().items() if OPERATION in interfaces)
        recoveries = [each for _, each in shown if each['Kind'] == 'recover']
        return recoveries[-1]['Message'] if recoveries and recoveries[-1]['State'] == 'failed' else None

    def finish_what_failed(self):
        """A recovery that was refused the same again is finished with the next release."""
        until(lambda: self.settled() or self.failed_recovery(), patience() + 10, 'an end')
        if not self.settled():
            until(lambda: self.root.error(self.root.release, GPU) is None, what='a release that finishes it')

    # --- at its own files ------------------------------------------------------------------------------------------
    def calls_of(self, verb):
        self.ready(verb)
        trace = Trace()
        trace.follow(self.machine.daemon.pid)
        self.assertEqual(self.run_to_end(verb), ('succeeded', '', ''))
        trace.end()
        if verb == 'attach':
            self.usable()
        return [(verb, call.name, call.n) for call in trace.calls(OWN_FILES)]

    def refused_at(self, verb, name, n, error):
        """(state, error, message), the call that got the error, and when that was told."""
        self.ready(verb)
        trace = Trace(f'{name}:error={error}:when={n}')
        trace.follow(self.machine.daemon.pid)
        began = time.monotonic()
        outcome, ended = self.run_to_end(verb), time.monotonic()
        self.assertLess(ended - began, patience() + 10, outcome)
        trace.end()
        call = trace.said_at(OWN_FILES, name, n, '(INJECTED)')
        self.assertIsNotNone(call, 'never refused')
        return outcome, call, ended

    def assert_told(self, outcome, call, error):
        """"cannot sync /run/gpuctl/journal/0000:01:00: No space left on device"."""
        state, code, message = outcome
        said = rf'cannot [a-z ]+ /run/\S*0000:01:00\S*: {os.strerror(getattr(errno, error))}'
        if state == 'succeeded':
            self.assertTrue(HARMLESS.search(call.what) or re.search(said, message), (message, call))
        else:
            self.assertEqual(code, 'org.gpuctl1.Error.StateUnwritable')
            self.assertRegex(message, said, call)

    def test_each_error_at_each_call_that_changes_its_own_files(self):
        calls = [call for verb in VERBS for call in self.calls_of(verb)]
        for (verb, name, n), error in self.chosen(itertools.product(calls, FILE_ERRORS)):
            with self.subTest(verb=verb, call=(name, n), error=error):
                outcome, call, began = self.refused_at(verb, name, n, error)
                self.counts[f'errors at its own files: {outcome[0]}'] += 1
                self.assert_told(outcome, call, error)
                self.finish_what_failed()
                self.assertEqual(self.assert_settles(began), VERBS[verb][outcome[0] == 'succeeded'], outcome)
                self.usable()

    def test_where_the_journal_cannot_be_written_nothing_changes(self):
        state = '/run/gpuctl'
        subprocess.run(['mount', '--bind', state, state], check=True)
        try:
            subprocess.run(['mount', '-o', 'remount,bind,ro', state], check=True)
            self.ready('attach')
            state_, code, message = self.run_to_end('attach')
            self.assertEqual((state_, code), ('failed', 'org.gpuctl1.Error.StateUnwritable'), message)
            self.assertEqual(self.machine.writes(), [])
            self.assertEqual(self.settled(), 'host')
        finally:
            subprocess.run(['umount', state], check=True)
        self.counts['read-only journals'] += 1
        self.usable()

    # --- at sysfs --------------------------------------------------------------------------------------------------
    def test_each_error_at_each_write(self):
        points = [(verb, n, fault) for verb in VERBS for n in range(self.writes_of(verb)) for fault in FAULTS]
        for verb, n, fault in self.chosen(points):
            with self.subTest(verb=verb, write=n, fault=fault):
                self.ready(verb)
                self.machine.fake(f'{fault} {n} 1')
                state, error, message = self.run_to_end(verb)
                self.counts[f'errors: {state}'] += 1
                self.assertIsNotNone(self.address(n), 'never refused')
                if fault == LATE:  # the kernel says no, and has done it
                    self.assertIn(state, ('succeeded', 'rolled-back'))
                else:
                    self.assertEqual((state, error), ('rolled-back', 'org.gpuctl1.Error.KernelRefused'), message)
                    self.assert_refused(self.address(n), fault, message)
                self.assert_outcome(verb, state, message)
                self.usable()

    def assert_says_what_is_left(self, b, message):
        """The rollback's own write was refused: that function, and nothing of another device."""
        said, _, left = message.partition('It could not all be taken back: ')
        self.assertTrue(left, message)
        self.assertIn(self.address(b), ADDRESS.findall(left), message)

    def test_pairs_of_errors_also_in_the_way_back(self):
        counts = {verb: self.writes_of(verb) for verb in VERBS}
        points = [(verb, a, b) for verb, count in counts.items() for a in range(count) for b in range(a + 1, count + 6)]
        for verb, a, b in self.chosen(points):
            first, second = self.random.choice(FAULTS), self.random.choice(FAULTS)
            with self.subTest(verb=verb, writes=(a, b), faults=(first, second)):
                self.ready(verb)
                self.machine.fake(f'{first} {a} 1')
                self.machine.fake(f'{second} {b - 1} 1')
                state, error, message = self.run_to_end(verb)
                began = time.monotonic()
                self.assertIsNotNone(self.address(a), 'never refused')
                self.counts[f'pairs: {state}{"" if self.address(b) else ", the second never came"}'] += 1
                if first != LATE:
                    self.assertNotEqual(state, 'succeeded', 'no silent success')
                    self.assert_refused(self.address(a), first, message)
                if state == 'failed':
                    self.assertEqual(error, 'org.gpuctl1.Error.RollbackFailed')
                    self.assert_says_what_is_left(b, message)
                    self.assertEqual(self.assert_settles(began), 'host', message)
                else:
                    self.assert_outcome(verb, state, message)
                self.machine.fake('clear')
                self.usable()

    # --- and in the recovery ---------------------------------------------------------------------------------------
    def test_a_kill_and_then_errors_in_the_recovery(self):
        points = [(verb, n, m) for verb in VERBS for n in range(self.writes_of(verb)) for m in range(6)]
        for verb, n, m in self.chosen(points, self.sample // 2 or 1):
            fault = self.random.choice(FAULTS)
            with self.subTest(verb=verb, killed_in_write=n, then=fault, at=m):
                self.killed_at_write(verb, n)
                until(lambda: not self.machine.fake('writes')['held'], what='the end of that write')
                at = m + len(self.machine.writes())
                self.machine.fake(f'{fault} {m} 1')
                self.again()
                end = until(lambda: self.settled() or self.failed_recovery(), patience() + 10, 'an end of the recovery')
                whole = end in VERBS['attach']
                self.counts[f'recoveries {"with an" if self.address(at) else "without the"} error: {"whole" if whole else "failed"}'] += 1
                if not whole:
                    self.assert_refused(self.address(at), fault, end)
                    self.finish_what_failed()
                    self.assertEqual(self.assert_settles(time.monotonic()), 'host')
                self.machine.fake('clear')
                self.usable()


class OneFunction(matrix.OneFunction, Errors):
    pass


class Laptop(matrix.Laptop, Errors):
    pass


class FourFunctions(matrix.FourFunctions, Errors):
    pass


del Errors

if __name__ == '__main__':
    unittest.main()
