# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may do what: every member and option x caller x state of polkit, from one table. What has no row there fails."""
import itertools
import re
import unittest

from authorization_table import (CALLERS, CARD, DOMAINS, GUARDED, POLICIES, RUNNING, SILENT, STARTER, TABLE, VMS, WITHOUT_A_ROW,
                                 granted, is_allowed, reads, refused)
from case import BusTest
from dbus_wire import Variant
from machine import OPERATION, PROPERTIES, ROOT, SERVICE, SOURCE, WORK, run, until
from sessions import IS_BOOTED
from test_contract import documented

QUIET = {'interactive': Variant('b', False)}
AT_ONCE = 4  # of each caller: Queries::max_in_all


def in_parts(found):
    return [found[at:at + AT_ONCE] for at in range(0, len(found), AT_ONCE)]


class Authorization(BusTest):
    """Two cards, one of them away: every call finds one that it is for."""
    machine_name = 'two-gpus'

    def setUp(self):
        if not IS_BOOTED:
            self.skipTest('callers come out of sessions: tests/bus/run test_authorization')
        super().setUp()
        self.restart_with_domains(DOMAINS)
        self.card = dict(CARD)
        self.root = self.client()
        self.assertEqual(self.root.finish(self.root.attach(self.card['AWAY']))[0], 'succeeded')
        self.machine.fake('forget')

    def send(self, client, row):
        return client.bus.send_call(SERVICE, *row.call(self.card))

    def kept(self):
        """What gpuctld has on disk, and what it has asked of systemd."""
        places = [WORK / 'state', WORK.parent / 'gpuctl', WORK / 'units.log']
        files = [file for place in places for file in [place, *place.rglob('*')] if file.is_file()]
        return {str(file): file.read_text(errors='replace') for file in files}

    def operations(self):
        return {path for path, interfaces in self.root.objects().items() if OPERATION in interfaces}

    def witness(self):
        """polkit has answered a call that came after all others, and gpuctld has had the answer."""
        undo = lambda: self.root.error(self.root.bus.call, SERVICE, ROOT, VMS, 'UndoVm', 'sa{sv}', [RUNNING, QUIET])
        owes_too_many = lambda error: error == 'NotAuthorized' and 'no answer' in self.root.last_message
        self.assertEqual(until(lambda: undo_ if not owes_too_many(undo_ := undo()) else None, what="polkit's answers"),
                         'NotFound')  # asked for only where polkit has allowed it

    def each(self, policy, wanted, check):
        """check(ROW, CLIENT, SERIAL) of all calls in {caller: rows}, as many at once as a user may have under way; their number."""
        parts = {caller: in_parts(found) for caller, found in wanted.items()}
        while any(parts.values()):
            sent = []
            for caller, row in [(caller, row) for caller, left in parts.items() if left for row in left.pop(0)]:
                client = self.machine.client(caller)
                sent.append((caller, row, client, self.send(client, row)))
            for caller, row, client, serial in sent:
                with self.subTest(policy=policy, caller=caller, member=row.member, option=row.option):
                    check(row, client, serial)
                client.close()
        return sum(map(len, wanted.values()))


class Refused(Authorization):
    def assert_refused(self, _, client, serial):
        self.assertEqual(client.error(client.bus.reply, serial, 40), 'NotAuthorized')

    def test_what_must_be_refused_is_refused(self):
        counted, before = 0, self.kept()
        for policy in POLICIES:
            self.machine.policy(policy)
            wanted = {caller: refused(policy, caller) for caller in CALLERS}
            counted += self.each(policy, wanted, self.assert_refused)
            self.assertEqual(self.machine.writes(), [], 'a refusal changes nothing')
            self.assertEqual(self.kept(), before, 'a refusal changes nothing')
        print(f'{counted} cells refused', end=' ', flush=True)
        self.assertGreater(counted, 1000)

    def test_callers_that_vanish_while_polkit_thinks_get_nothing(self):
        """Whatever would be allowed: everything, were they still there."""
        self.machine.policy('yes')
        self.witness()  # leaves a lock's file behind
        counted, before, operations = 0, self.kept(), self.operations()
        questions = self.machine.questions()
        for part in in_parts(GUARDED):
            self.machine.freeze()
            questions.calls.clear()
            clients = [(self.machine.client(caller), row) for caller in CALLERS for row in part]
            for client, row in clients:
                self.send(client, row)
            for client, row in clients:
                questions.wait(lambda: client.bus.name in {call.body[0][1]['name'].value for call in questions.calls}, 20,
                               f'{row.member} {row.option}: no question to polkit')
            for client, _ in clients:
                client.close()
            counted += len(clients)
            self.machine.thaw()
            self.witness()
            self.assertLessEqual(self.operations(), operations)
            self.assertEqual(self.machine.writes(), [])
            self.assertEqual(self.kept(), before)
        questions.close()
        print(f'{counted} callers gone', end=' ', flush=True)
        self.assertEqual(counted, len(GUARDED) * len(CALLERS))


class Granted(Authorization):
    def outcome(self, client, serial):
        """The error of the call, or of the operation that it has started."""
        answered = []
        error = client.error(lambda: answered.extend(client.bus.reply(serial, 60)))
        if error or not answered or not str(answered[0]).startswith(f'{ROOT}/operations/'):
            return error
        _, error, client.last_message = client.finish(answered[0])
        return error.removeprefix('org.gpuctl1.Error.') or None

    def place(self, row):
        """A card where this call needs it: what is done to one, the next call undoes to the other."""
        away = {a: self.machine.functions()[a]['driver'] == 'vfio-pci' for a in CARD.values()}
        leaves = row.member.endswith('.Attach')
        if leaves not in [not is_away for is_away in away.values()]:
            address = CARD['HERE']
            self.assertEqual(self.root.finish((self.root.release if leaves else self.root.attach)(address))[0], 'succeeded')
            away[address] = not leaves
        self.card = {'HERE': min(away, key=away.get), 'AWAY': max(away, key=away.get)}

    def assert_done(self, row, client, serial):
        error = self.outcome(client, serial)
        self.assertIn(error, (None, *row.errors), error and client.last_message)

    def grant(self, policy, caller):
        found = granted(policy, caller)
        leave, back = ([row for row in found if row.member.endswith(verb)] for verb in ('.Attach', '.Release'))
        for row in filter(None, itertools.chain(*itertools.zip_longest(leave, back))):
            self.place(row)
            self.each(policy, {caller: [row]}, self.assert_done)
        for row in [row for row in found if not row.moves]:
            self.each(policy, {caller: [row]}, self.assert_done)
        return len(found)

    def test_what_may_be_done_is_done(self):
        counted = 0
        for policy in POLICIES:
            self.machine.policy(policy)
            counted += sum(self.grant(policy, caller) for caller in CALLERS)
        print(f'{counted} cells granted', end=' ', flush=True)
        self.assertGreater(counted, 200)

    def test_reading_needs_nobodys_permission(self):
        counted = 0
        for policy in ('no', *SILENT):
            self.machine.policy(policy)
            counted += self.each(policy, {caller: reads(policy, caller) for caller in CALLERS}, self.assert_done)
        print(f'{counted} reads', end=' ', flush=True)
        self.assertEqual(self.machine.writes(), [])


class Cancelling(Authorization):
    """The starter cancels without being asked, everybody else needs org.gpuctl1.cancel."""

    def begin(self, policy):
        """Bob's operation, under way for as long as the kernel keeps it waiting."""
        self.machine.policy('rules')
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        operation = self.bob.attach(self.card['HERE'])
        self.machine.policy(policy)
        return operation

    def end(self, operation):
        """Its end; the card is home again."""
        self.machine.fake('clear')
        state = self.bob.finish(operation)[0]
        if state == 'succeeded':
            self.machine.policy('rules')
            self.assertEqual(self.bob.finish(self.bob.release(self.card['HERE']))[0], 'succeeded')
        return state

    def ask(self, operation, callers):
        """(caller, client, the call's serial) of all, when polkit has been asked about each."""
        questions = self.machine.questions()
        asked = [(caller, client := self.client(caller), client.bus.send_call(SERVICE, operation, OPERATION, 'Cancel'))
                 for caller in callers]
        questions.wait(lambda: len(questions.calls) == len(asked), 20, 'as many questions to polkit')
        questions.close()
        return asked

    def refusals(self, policy, callers):
        """They all ask at once; it goes on. A silent polkit has five minutes here, for the password that somebody may be typing."""
        operation = self.begin(policy)
        for caller, client, serial in self.ask(operation, callers):
            with self.subTest(policy=policy, caller=caller):
                if policy == 'frozen':
                    self.assertRaises(TimeoutError, client.bus.reply, serial, 0.1)
                else:
                    self.assertEqual(client.error(client.bus.reply, serial, 40), 'NotAuthorized')
        self.assertEqual(self.end(operation), 'succeeded')

    def grants(self, policy, callers):
        for caller in callers:
            with self.subTest(policy=policy, caller=caller):
                operation = self.begin(policy)
                client = self.client(caller)
                self.assertIsNone(client.error(client.cancel, operation))
                self.assertEqual(self.end(operation), 'cancelled')

    def test_an_operation_is_cancelled_by_those_who_may(self):
        self.bob, counted = self.client(STARTER), 0
        for policy in POLICIES:
            may = [c for c in CALLERS if c == STARTER or is_allowed(policy, c, ('cancel',))]
            self.grants(policy, may)
            if others := [c for c in CALLERS if c not in may]:
                self.refusals(policy, others)
            counted += len(CALLERS)
        print(f'{counted} cells of Cancel', end=' ', flush=True)

    def test_callers_that_vanish_while_polkit_thinks_cancel_nothing(self):
        self.bob = self.client(STARTER)
        operation = self.begin('yes')
        self.machine.freeze()
        for _, client, _ in self.ask(operation, [caller for caller in CALLERS if caller != STARTER]):
            client.close()
            self.clients.remove(client)
        self.machine.thaw()
        self.witness()
        self.assertEqual(self.end(operation), 'succeeded')


class Members(BusTest):
    machine_name = 'two-gpus'

    def test_every_member_has_a_row(self):
        methods = {f'{interface}.{member.split()[1]}' for interface, found in documented().items()
                   for member in found if member.startswith('method ')}
        self.assertEqual(methods, {row.member for row in TABLE} | WITHOUT_A_ROW)

    def test_every_option_that_the_daemon_knows_has_a_row(self):
        """It names them itself, to whoever gives one that it does not know."""
        client = self.client()
        for row in [row for row in TABLE if row.signature.endswith('a{sv}') and not row.option]:
            with self.subTest(member=row.member):
                path, interface, name, signature, arguments = row.call(CARD)
                arguments[-1] = {'no-such-option': Variant('b', True)}
                self.assertEqual(client.error(client.bus.call, SERVICE, path, interface, name, signature, arguments), 'InvalidArgument')
                known = re.fullmatch('unknown option no-such-option; known here: (.*)', client.last_message)
                tried = {other.option for other in TABLE if other.member == row.member} - {''}
                self.assertEqual(set(known[1].split(', ')) - {'interactive', ''}, tried)

    def test_polkit_knows_every_action_that_the_code_names(self):
        named = re.findall(r'action_[a-z_]+ = "([^"]+)"', (SOURCE / 'dbus-interfaces/gpuctl_names.hpp').read_text())
        known = run('pkaction').split()
        self.assertGreaterEqual(len(named), 5)
        self.assertEqual(sorted(named), sorted(action for action in known if action.startswith('org.gpuctl1.')))

    def test_no_property_can_be_written(self):
        client, tried = self.client(), 0
        for path, held in client.objects().items():
            for interface, properties in held.items():
                for name, value in properties.items():
                    error = client.error(client.bus.call, SERVICE, path, PROPERTIES, 'Set', 'ssv', [interface, name, value])
                    self.assertIn(error, ('PropertyReadOnly', 'AccessDenied', 'InvalidArgs'), f'{interface}.{name}')
                    tried += 1
        self.assertGreater(tried, 20)
        self.assert_untouched()

    def test_what_already_holds_needs_no_password(self):
        alice = self.client('alice')
        self.assertEqual(alice.finish(alice.release('0000:01:00.0'))[0], 'succeeded')
        self.assert_untouched()


class Questions(unittest.TestCase):
    def test_a_question_names_only_what_every_gpu_has(self):
        text = (SOURCE / 'polkit/org.gpuctl1.policy').read_text()
        for question in re.findall(r'<message>(.*?)</message>', text):
            self.assertLessEqual(set(re.findall(r'\$\((.*?)\)', question)), {'name', 'gpu'}, question)


class Name(BusTest):
    def test_nobody_else_can_own_the_name(self):
        self.machine.stop()
        for user in ('alice', 'bob', 'nobody'):
            client = self.machine.client(user)
            error = client.error(client.bus.call, 'org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus',
                                 'RequestName', 'su', [SERVICE, 4])
            self.assertEqual(error, 'AccessDenied')
            client.close()

    def test_a_second_daemon_refuses_to_start(self):
        first = self.machine.daemon
        with self.assertRaises((RuntimeError, TimeoutError)):
            self.machine.start()
            second, self.machine.daemon = self.machine.daemon, first
            if second.wait(10) != 0:
                raise RuntimeError('the second one ended')
        self.machine.daemon = first
        self.assertIsNone(first.poll())


if __name__ == '__main__':
    unittest.main()
