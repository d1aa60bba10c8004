# SPDX-License-Identifier: GPL-2.0-or-later
"""Callers that leave the bus before they are answered: nothing is done for them, and nothing is left of them.

GPUCTL_DISCONNECTS: how many of them in each test (default 150; 2000 by hand).
"""
import contextlib
import os
import pwd
import signal
import unittest

from case import BusTest
from dbus_wire import Bus, Variant
from machine import GPU, MANAGER, OPERATION, ROOT, SERVICE, until

CALLERS = int(os.environ.get('GPUCTL_DISCONNECTS', 150))
ADDRESS, NVIDIA = '0000:01:00.0', ROOT + '/gpus/0000_01_00'
QUIET = {'interactive': Variant('b', False)}
POLKIT = 'org.freedesktop.PolicyKit1'


@contextlib.contextmanager
def at_once():
    """What is done within is not interrupted by others, the daemon among them."""
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class Vanished(BusTest):
    def ask(self, number, close=False):
        """One who may attach, and asks for it: one half by the manager, the other by the GPU's own object."""
        caller = Bus(self.machine.uids['bob'])
        with at_once():
            if number % 2:
                caller.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', [ADDRESS, '', QUIET])
            else:
                caller.send_call(SERVICE, NVIDIA, GPU, 'Attach', 'sa{sv}', ['', QUIET])
            if close:
                caller.close()
        return caller

    @contextlib.contextmanager
    def daemon_held(self):
        """It reads what came meanwhile all at once afterwards."""
        stat = f'/proc/{self.machine.daemon.pid}/stat'
        self.machine.daemon.send_signal(signal.SIGSTOP)
        until(lambda: open(stat).read().rpartition(')')[2].split()[0] == 'T', what='a stopped gpuctld')
        try:
            yield
        finally:
            self.machine.daemon.send_signal(signal.SIGCONT)

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.machine.daemon.pid}/fd'))

    def assert_nothing_was_done(self, witness, descriptors):
        operations = [path for path, interfaces in witness.objects().items() if OPERATION in interfaces]
        self.assertEqual(operations, [])
        self.assert_untouched()
        until(lambda: self.descriptors() <= descriptors, what='the descriptors of before')


class BeforePolkitAnswers(Vanished):
    """polkit is the real one."""
    at_a_time = 8  # questions of one user

    def test_callers_that_leave_before_their_call_is_read_get_nothing(self):
        witness, other = self.client(), self.client('mallory')
        self.assertEqual(other.error(other.attach, ADDRESS), 'NotAuthorized')
        descriptors = self.descriptors()
        for batch in range(0, CALLERS, 50):
            with self.daemon_held():
                for number in range(batch, min(batch + 50, CALLERS)):
                    self.ask(number, close=True)
        self.assertEqual(other.error(other.attach, ADDRESS), 'NotAuthorized')  # what went before has come as far
        self.assert_nothing_was_done(witness, descriptors)
        self.assert_who_stays_is_served()

    def test_callers_that_leave_while_polkit_thinks_get_nothing(self):
        questions, asked = self.machine.questions(), 0
        self.addCleanup(questions.close)
        witness, other, descriptors = self.client(), self.client('mallory'), None
        while asked < CALLERS:
            asked += self.leave_while_polkit_thinks(questions)
            self.assertEqual(other.error(other.attach, ADDRESS), 'NotAuthorized')  # polkit has gone on, and answered this too
            questions.receive(10)
            questions.calls.clear()
            descriptors = descriptors or self.descriptors()
        print(f'\n  {asked} callers left while polkit was asked', end=' ', flush=True)
        self.assert_nothing_was_done(witness, descriptors)
        self.assert_who_stays_is_served()

    def leave_while_polkit_thinks(self, questions):
        """How many."""
        self.machine.freeze()
        callers = [self.ask(number) for number in range(self.at_a_time)]
        questions.wait(lambda: len(questions.calls) >= len(callers), 20, 'a question to polkit for each')
        for caller in callers:
            caller.close()
        self.machine.thaw()
        return len(callers)

    def assert_who_stays_is_served(self):
        bob = self.client('bob')
        self.assertEqual(bob.finish(bob.attach(ADDRESS))[0], 'succeeded')


class AfterPolkitSaidYes(Vanished):
    """polkit says yes to everybody, also to those that are gone: gpuctld must look for itself (CVE-2021-3560)."""
    policy = 'dead'

    def setUp(self):
        super().setUp()
        self.polkit = Bus(pwd.getpwnam('polkitd').pw_uid)
        self.addCleanup(self.polkit.close)
        self.polkit.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'RequestName', 'su', [POLKIT, 0])
        self.witness = self.client()
        self.witness.bus.listen("type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''")

    def question(self):
        """The next; a question that is withdrawn is answered as polkit does."""
        while True:
            self.polkit.wait(lambda: self.polkit.calls, 10, 'a question to polkit')
            call = self.polkit.calls.pop(0)
            if call.member == 'CheckAuthorization':
                return call
            self.polkit.return_to(call)

    def say_yes(self, question):
        self.polkit.return_to(question, '(bba{ss})', [(True, False, {})])

    def leave(self, caller):
        caller.close()
        signals = self.witness.bus.signals
        self.witness.bus.wait(lambda: any(s.member == 'NameOwnerChanged' and s.body[0] == caller.name for s in signals), 10,
                              'the caller has left the bus')
        signals.clear()

    def assert_who_stays_is_served(self):
        bob = self.client('bob')
        serial = bob.bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', [ADDRESS, '', QUIET])
        self.say_yes(self.question())
        self.assertEqual(bob.finish(bob.bus.reply(serial)[0])[0], 'succeeded')

    def every_caller(self, leaves_with):
        descriptors = None
        for number in range(CALLERS):
            caller = self.ask(number)
            question = self.question()
            descriptors = descriptors or self.descriptors()
            leaves_with(caller, question)
        print(f'\n  {CALLERS} callers', end=' ', flush=True)
        self.assert_nothing_was_done(self.witness, descriptors)
        self.assert_who_stays_is_served()

    def test_a_yes_that_comes_after_the_caller_has_left_is_none(self):
        def leave_first(caller, question):
            self.leave(caller)
            self.say_yes(question)
        self.every_caller(leave_first)

    def test_who_leaves_between_the_yes_and_the_deed_gets_nothing(self):
        def leave_in_between(caller, question):
            with self.daemon_held():
                self.say_yes(question)
                self.leave(caller)
        self.every_caller(leave_in_between)


if __name__ == '__main__':
    unittest.main()
