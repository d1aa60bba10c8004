# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped daemon, killed at each change it makes: nothing is lost, and the next request works. See matrix.py."""
import signal
import time
import unittest

import matrix
from dbus_wire import DBusError
from machine import MANAGER, ROOT, SERVICE, until
from matrix import GPU, VERBS, patience
from own_calls import FILES_AND_SYSFS, Trace

CALLS = {'attach': ('Attach', 'ssa{sv}', [GPU, '', {}]), 'release': ('Release', 'sa{sv}', [GPU, {}])}
KILLED, STOPPED = '+++ killed by SIGKILL +++', '--- stopped by SIGSTOP ---'


class Kills(matrix.Matrix):
    # --- before each call, of the process that makes it: the daemon, if it is another, mends it ---------------------
    # --- and after each call, of all there is: the next daemon does ------------------------------------------------
    def calls_of(self, verb):
        """What a process changes, and which one by one: (name, n)."""
        self.ready(verb)
        trace = Trace()
        trace.follow(self.machine.daemon.pid)
        self.assertEqual(self.run_to_end(verb), ('succeeded', '', ''))
        trace.end()
        if verb == 'attach':
            self.usable()
        return [(call.name, call.n) for call in trace.calls(FILES_AND_SYSFS)]

    def own_calls(self):
        return [(verb, *call) for verb in VERBS for call in self.calls_of(verb)]

    def traced(self, verb, name, n, what):
        self.ready(verb)
        trace = Trace(f'{name}:signal={what}:when={n}')
        trace.follow(self.machine.daemon.pid)
        call = self.root.bus.send_call(SERVICE, ROOT, MANAGER, *CALLS[verb])
        sign = KILLED if what == 'KILL' else STOPPED
        self.assertIsNotNone(trace.await_at(FILES_AND_SYSFS, name, n, sign), 'never killed')
        return trace, call

    def assert_told_or_ended(self, call):
        """The daemon says that its process has died. That is the first thing it writes: a kill before the first write
        of any process is its end too; and one of the daemon itself, before it answers the call."""
        try:
            operation, = self.root.bus.reply(call, 30)
            state, error, message = self.root.finish(operation, 30)
            self.assertEqual((state, error), ('failed', 'org.gpuctl1.Error.Internal'), message)
        except DBusError:
            self.assertEqual(self.machine.stop(), -signal.SIGKILL)
            self.again()

    def test_killed_before_each_call_the_daemon_mends_what_its_process_left(self):
        for verb, name, n in self.chosen(self.own_calls()):
            with self.subTest(verb=verb, killed_before=(name, n)):
                trace, call = self.traced(verb, name, n, 'KILL')
                began = time.monotonic()
                self.assert_told_or_ended(call)
                trace.end()
                self.assert_settles(began)
                self.usable()
                self.counts['processes killed before a call'] += 1

    def test_killed_after_each_call_the_next_daemon_mends_all(self):
        for verb, name, n in self.chosen(self.own_calls()):
            with self.subTest(verb=verb, killed_after=(name, n)):
                trace, _ = self.traced(verb, name, n, 'STOP')
                self.machine.stop(signal.SIGKILL)
                trace.end()
                began = time.monotonic()
                self.again()
                self.assert_settles(began)
                self.usable()
                self.counts['daemons killed after a call'] += 1

    # --- while the kernel has it -----------------------------------------------------------------------------------
    def test_killed_in_each_write_to_sysfs(self):
        points = [(verb, n) for verb in VERBS for n in range(self.writes_of(verb))]
        for verb, n in self.chosen(points):
            with self.subTest(verb=verb, killed_in_write=n):
                self.killed_at_write(verb, n)
                began = time.monotonic()
                self.again()
                self.assert_settles(began)
                self.usable()
                self.counts['daemons killed in a write'] += 1

    # --- and once more in the recovery -----------------------------------------------------------------------------
    def recovering(self, verb, n, inject=None, halted=lambda trace: False):
        """Killed in the N-th write; then a daemon whose every change is traced."""
        self.killed_at_write(verb, n)
        trace = Trace(inject)
        try:
            self.again(prefix=trace.prefix, halted=lambda: halted(trace))
        except RuntimeError:  # ended before it was ready
            self.root = self.client()
        return trace

    def calls_of_recovery(self, verb, n):
        trace = self.recovering(verb, n)
        until(self.settled, patience() + 10, 'a GPU whole on one side')  # strace takes its time
        self.machine.stop()
        self.again()
        self.usable()
        return [(call.name, call.n) for call in trace.calls(FILES_AND_SYSFS)]

    def killed_in_recovery(self, verb, n, call, what):
        name, m = call
        at = (FILES_AND_SYSFS, name, m, KILLED if what == 'KILL' else STOPPED)
        trace = self.recovering(verb, n, f'{name}:signal={what}:when={m}', lambda trace: trace.said_at(*at))
        trace.await_at(*at)
        self.machine.stop(signal.SIGKILL)
        began = time.monotonic()
        self.again()
        self.assert_settles(began)

    def test_killed_in_a_write_and_again_at_a_call_of_the_recovery(self):
        points = [(verb, n) for verb in VERBS for n in range(self.writes_of(verb))]
        for verb, n in self.chosen(points, self.sample // 2 or 1):
            call, what = self.random.choice(self.calls_of_recovery(verb, n)), self.random.choice(['KILL', 'STOP'])
            with self.subTest(verb=verb, killed_in_write=n, then_at=call, by=what):
                self.killed_in_recovery(verb, n, call, what)
                self.usable()
                self.counts['daemons killed twice'] += 1


class OneFunction(matrix.OneFunction, Kills):
    pass


class Laptop(matrix.Laptop, Kills):
    pass


class FourFunctions(matrix.FourFunctions, Kills):
    pass


del Kills

if __name__ == '__main__':
    unittest.main()
