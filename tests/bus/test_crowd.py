# SPDX-License-Identifier: GPL-2.0-or-later
"""Many clients at once, of many users, at random on one GPU: what the bus saw of it must be what a model of one GPU, one
operation at a time, can say, and what the kernel saw one process after the other.

GPUCTL_CLIENTS (default 16; 64 by hand), GPUCTL_CALLS of each (default 15; 100 by hand), GPUCTL_CROWD_SEED.
"""
import collections
import itertools
import os
import pwd
import random
import unittest

from case import BusTest
from dbus_wire import ERROR, METHOD_CALL, METHOD_RETURN, SIGNAL, Bus, Variant
from machine import GPU, MANAGER, OPERATION, PROPERTIES, ROOT, SERVICE, Client, until

CLIENTS = int(os.environ.get('GPUCTL_CLIENTS', 16))
CALLS = int(os.environ.get('GPUCTL_CALLS', 15))
SEED = int(os.environ.get('GPUCTL_CROWD_SEED', 7))
LOOKS_IN_ALL = 32
ADDRESS, NVIDIA = '0000:01:00.0', ROOT + '/gpus/0000_01_00'
QUIET = {'interactive': Variant('b', False)}
USERS = ['root', 'alice', 'bob', 'carol', 'mallory', 'nobody', 'daemon', 'bin', 'sys', 'games', 'man', 'mail', 'news', 'proxy', 'lp',
         'backup']
SIDE = {'Attach': 'vm', 'Release': 'host', 'attach': 'vm', 'release': 'host'}


class Model:
    """Reads the bus in its order, and says what cannot be."""

    def __init__(self, test, steps_of):
        self.test, self.steps_of = test, steps_of
        self.side, self.running, self.kinds, self.moves = 'host', None, {}, 0
        self.calls, self.counted = {}, collections.Counter()

    def see(self, message):
        if message.kind == METHOD_CALL and message.destination == SERVICE:
            self.asked(message)
        elif message.kind == SIGNAL:
            self.told(message)
        elif message.kind in (METHOD_RETURN, ERROR):
            self.answered(self.calls.pop((message.destination, message.reply_serial), None), message)

    def asked(self, message):
        """Of each call, what has run since it was made."""
        self.calls[message.sender, message.serial] = (message.member, {self.running} - {None}, message.body)

    def told(self, message):
        if message.member == 'InterfacesAdded' and OPERATION in message.body[1]:
            self.begins(message.body[0], message.body[1][OPERATION]['Kind'].value)
        elif message.member == 'Finished':
            self.ends(message.path, message.body)

    def begins(self, operation, kind):
        self.test.assertIsNone(self.running, f'{operation} begins while another one runs')
        self.running, self.kinds[operation] = operation, kind
        for _, since, _ in self.calls.values():
            since.add(operation)

    def ends(self, operation, body):
        self.test.assertEqual((operation, body[0]), (self.running, 'succeeded'), body)
        target, steps = SIDE[self.kinds[operation]], self.steps_of(operation)
        self.test.assertEqual(bool(steps), self.side != target, f'{operation}, on side {self.side}: {steps}')
        self.moves += bool(steps)
        self.side, self.running = target, None

    def answered(self, call, message):
        if call is None:
            return
        member, since, body = call
        error = (message.error_name or 'ok').rpartition('.')[2]
        if member in SIDE:
            self.counted[f'{member}: {error}'] += 1
            self.moved(member, since, error, message)
        elif member == 'Get' and body == [GPU, 'State']:
            self.shown(message.body[0].value)

    def moved(self, member, since, error, message):
        allowed = ['ok', 'Busy'] + ['LimitsExceeded'] * (CLIENTS > LOOKS_IN_ALL)
        self.test.assertIn(error, allowed)
        if error == 'Busy':
            self.test.assertTrue(since, 'Busy, and nothing has run since it was asked')
        if error == 'ok':
            self.test.assertIn(message.body[0], since, 'an operation from before it was asked for')
            self.test.assertEqual(self.kinds[message.body[0]], member.lower())

    def shown(self, state):
        self.counted['State: ' + state] += 1
        possible = [self.side] if self.running is None else ['host', 'vm', 'changing', 'mixed', 'unbound']
        self.test.assertIn(state, possible, f'while {self.running} runs' if self.running else 'while nothing runs')


class Crowd(BusTest):
    policy = 'yes'

    def ask_state(self, client):
        return client.bus.send_call(SERVICE, NVIDIA, PROPERTIES, 'Get', 'ss', [GPU, 'State'])

    def ask(self, client):
        verb = self.random.choice(['Attach', 'Release', 'State', 'State'])
        if verb == 'State':
            return self.ask_state(client)
        signature, arguments = ('ssa{sv}', [ADDRESS, '', QUIET]) if verb == 'Attach' else ('sa{sv}', [ADDRESS, QUIET])
        return client.bus.send_call(SERVICE, ROOT, MANAGER, verb, signature, arguments)

    def crowd(self):
        self.clients += [Client(Bus(pwd.getpwnam(USERS[number % len(USERS)]).pw_uid)) for number in range(CLIENTS)]
        return self.clients[-CLIENTS:]

    def rest(self, client):
        """Until what was asked for is over; the steps of each operation."""
        until(lambda: not client.get(ROOT, MANAGER, 'Busy'), 120, 'the end of what was asked for')
        return {path: i[OPERATION]['Steps'].value for path, i in client.objects().items() if OPERATION in i}

    def test_clients_at_random_agree_with_the_model(self):
        self.random, steps, log = random.Random(SEED), {}, []
        clients, root, monitor = self.crowd(), self.client(), self.machine.monitor()
        self.addCleanup(monitor.close)
        monitor.log = log
        for number in range(CALLS):
            asked = [(client, self.ask(client)) for client in clients]
            for client, serial in asked:
                client.error(client.bus.reply, serial, 120)
                client.bus.reply(self.ask_state(client))
                client.bus.signals.clear()
                monitor.receive(0)
            if number % 4 == 3:
                steps |= self.rest(root)
        steps |= self.rest(root)
        mark = self.ask_state(root)
        root.bus.reply(mark)
        monitor.wait(lambda: (root.bus.name, mark) in [(m.destination, m.reply_serial) for m in log[-100:]], 10, 'the last answer')
        self.compare(log, steps)

    def compare(self, log, steps):
        model = Model(self, steps.__getitem__)
        for message in log:
            model.see(message)
        pids = [pid for pid, _ in itertools.groupby(write['pid'] for write in self.machine.writes())]
        print(f'\n  {CLIENTS} clients, {CLIENTS * CALLS} calls: {dict(sorted(model.counted.items()))}; {model.moves} moves', end=' ',
              flush=True)
        self.assertEqual(len(pids), len(set(pids)), 'two processes wrote at the same time')
        self.assertEqual(len(pids), model.moves)
        self.assertGreater(model.moves, CALLS // 4)


if __name__ == '__main__':
    unittest.main()
