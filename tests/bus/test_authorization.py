# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may do what: every member x caller x state of polkit, from one table. A member that has no row fails."""
import itertools
import re
import unittest

from case import BusTest
from dbus_wire import Variant
from machine import GPU, MANAGER, OPERATION, PROPERTIES, ROOT, SERVICE, SOURCE, run
from test_contract import documented

NVIDIA = '/org/gpuctl1/gpus/0000_01_00'
VMS, HOST = 'org.gpuctl1.Vms', 'org.gpuctl1.Host'
QUIET = {'interactive': Variant('b', False)}
FORCED = {**QUIET, 'force': Variant('b', True)}
RESCAN = {**QUIET, 'rescan': Variant('b', True)}

READ, ROOT_ONLY, OWN = 'read', 'root only', 'the starter, else org.gpuctl1.cancel'
# member -> what guards it: a list of polkit actions, all of which are needed, or one of the words above;
# then the calls that try it: (path, signature, arguments, actions besides)
MEMBERS = {
    f'{MANAGER}.Attach': (['attach'], [(ROOT, 'ssa{sv}', ['0000:01:00.0', '', QUIET], []),
                                       (ROOT, 'ssa{sv}', ['0000:01:00.0', '', FORCED], ['force'])]),
    f'{MANAGER}.Release': (['release'], [(ROOT, 'sa{sv}', ['0000:01:00.0', QUIET], []),
                                         (ROOT, 'sa{sv}', ['0000:01:00.0', RESCAN], ['force']),
                                         (ROOT, 'sa{sv}', ['0000:01:00.0', FORCED], ['force'])]),
    f'{MANAGER}.Check': (READ, [(ROOT, 'ssa{sv}', ['0000:01:00.0', '', {}], [])]),
    f'{MANAGER}.Plan': (READ, [(ROOT, 'sssa{sv}', ['attach', '0000:01:00.0', '', {}], [])]),
    f'{MANAGER}.Diagnose': (READ, [(ROOT, '', [], [])]),
    f'{MANAGER}.ListUsers': (READ, [(ROOT, 's', ['0000:01:00.0'], [])]),
    f'{MANAGER}.ListVms': (READ, [(ROOT, '', [], [])]),
    f'{MANAGER}.ReadRom': (['attach'], [(ROOT, 'sa{sv}', ['0000:00:02.0', QUIET], [])]),
    f'{MANAGER}.Inhibit': (READ, [(ROOT, 'ss', ['test', 'a test'], [])]),
    f'{GPU}.Attach': (['attach'], [(NVIDIA, 'sa{sv}', ['', QUIET], []), (NVIDIA, 'sa{sv}', ['', FORCED], ['force'])]),
    f'{GPU}.Release': (['release'], [(NVIDIA, 'a{sv}', [QUIET], []), (NVIDIA, 'a{sv}', [FORCED], ['force'])]),
    f'{OPERATION}.Cancel': (OWN, []),  # needs an operation that runs: a test of its own
    f'{VMS}.CheckVm': (READ, [(ROOT, 'sa{sv}', ['test', {}], [])]),
    f'{VMS}.CheckLookingGlass': (READ, [(ROOT, 'sa{sv}', ['test', {}], [])]),
    f'{VMS}.SetupVm': (['configure'], [(ROOT, 'sa{sv}', ['test', QUIET], [])]),
    f'{VMS}.UndoVm': (['configure'], [(ROOT, 'sa{sv}', ['test', QUIET], [])]),
    f'{VMS}.PrepareDomain': (ROOT_ONLY, [(ROOT, 'ssa{sv}', ['other', '<domain type="kvm"/>', {}], [])]),
    f'{VMS}.ReleaseDomain': (ROOT_ONLY, [(ROOT, 'ss', ['other', '<domain type="kvm"/>'], [])]),
    f'{HOST}.KernelArguments': (READ, [(ROOT, '', [], [])]),
    f'{HOST}.PlanKernelArguments': (READ, [(ROOT, 'a{sv}', [{}], [])]),
    f'{HOST}.EnableKernelArguments': (['configure'], [(ROOT, 'a{sv}', [QUIET], [])]),
    f'{HOST}.UndoKernelArguments': (['configure'], [(ROOT, 'a{sv}', [QUIET], [])]),
    f'{HOST}.BootPolicies': (READ, [(ROOT, '', [], [])]),
    f'{HOST}.SetBootPolicy': (['configure'], [(ROOT, 'ssa{sv}', ['0000:01:00.0', 'host', QUIET], [])]),
    f'{HOST}.ConfirmBootPolicy': (['configure'], [(ROOT, 'sa{sv}', ['0000:01:00.0', QUIET], [])]),
    f'{HOST}.ApplyBootPolicy': (ROOT_ONLY, [(ROOT, 'a{sv}', [QUIET], [])]),
    f'{HOST}.Report': (READ, [(ROOT, 'a{sv}', [{}], [])]),
}
CALLERS = ['root', 'alice', 'bob', 'mallory', 'nobody']
POLICIES = ['rules', 'defaults', 'yes', 'no', 'auth_admin', 'missing', 'dead', 'frozen']
REFUSALS = ('NotAuthorized',)


def verdict(policy, caller, actions):
    """What the daemon must answer; None: it may not refuse."""
    if not actions:
        return None
    if policy in ('missing', 'dead', 'frozen'):
        return 'NotAuthorized'
    if caller == 'root' or policy == 'yes':
        return None
    if policy == 'no' or (policy == 'rules' and caller == 'mallory'):
        return 'NotAuthorized'
    if policy == 'rules' and caller == 'bob' and not {'force', 'configure'} & set(actions):
        return None
    return 'NotAuthorized'


def cells(policy, caller):
    """(member, call, expected refusal or None) of every guarded member."""
    for member, (guard, calls) in MEMBERS.items():
        for call in calls:
            if guard == ROOT_ONLY:
                yield member, call, None if caller == 'root' else 'NotAuthorized'
            elif guard == READ:
                yield member, call, None
            elif guard != OWN:
                yield member, call, verdict(policy, caller, guard + call[3])


class Matrix(BusTest):
    def send(self, client, member, call):
        interface, name = member.rsplit('.', 1)
        path, signature, arguments, _ = call
        return client.bus.send_call(SERVICE, path, interface, name, signature, arguments)

    def refused(self, client, serial):
        error = client.error(client.bus.reply, serial, 40)
        return error if error in REFUSALS else None

    def away(self, member):
        """Release is tried on a GPU that is away, Attach on one that is not."""
        return member.endswith('.Release')

    def prepare(self, member):
        root = self.client()
        if (root.state(NVIDIA) == 'vm') != self.away(member):
            self.machine.policy('defaults')
            operation = root.attach('0000:01:00.0') if self.away(member) else root.release('0000:01:00.0')
            self.assertEqual(root.finish(operation)[0], 'succeeded')
            root.bus.wait(lambda: (root.state(NVIDIA) == 'vm') == self.away(member), 10, 'the GPU where it is wanted')

    def test_every_member_has_a_row(self):
        methods = {f'{interface}.{member.split()[1]}' for interface, found in documented().items()
                   for member in found if member.startswith('method ')}
        self.assertEqual(methods, set(MEMBERS))

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

    def refusals(self, policy, away):
        """Tries all that must be refused on a GPU that is (not) away, at once; returns the number of cells."""
        self.prepare(f'{MANAGER}.Release' if away else f'{MANAGER}.Attach')
        self.machine.policy(policy)
        self.machine.fake('forget')
        wanted = {caller: [cell for cell in cells(policy, caller) if cell[2] and self.away(cell[0]) == away] for caller in CALLERS}
        counted = sum(map(len, wanted.values()))
        while any(wanted.values()):
            sent = []
            for caller, left in wanted.items():
                for member, call, expected in left[:8]:  # PolkitAuthorizer::max_per_uid
                    client = self.machine.client(caller)
                    sent.append((caller, member, call, expected, client, self.send(client, member, call)))
                del left[:8]
            for caller, member, call, expected, client, serial in sent:
                with self.subTest(policy=policy, caller=caller, member=member, arguments=str(call[2])):
                    self.assertEqual(self.refused(client, serial), expected)
                client.close()
        self.assertEqual(self.machine.writes(), [], 'a refusal changes nothing')
        return counted

    def test_what_must_be_refused_is_refused(self):
        counted = 0
        for policy in POLICIES:
            counted += self.refusals(policy, away=False) + self.refusals(policy, away=True)
        print(f'{counted} cells refused', end=' ', flush=True)
        self.assertGreater(counted, 200)

    def grant(self, policy, caller, member, call):
        """One cell that must not be refused; what starts an operation moves the GPU."""
        with self.subTest(policy=policy, caller=caller, member=member, arguments=str(call[2])):
            client = self.machine.client(caller)
            try:
                serial = self.send(client, member, call)
                if not member.endswith(('.Attach', '.Release')):
                    self.assertIsNone(self.refused(client, serial))  # it may fail, not be refused
                else:
                    self.assertEqual(client.finish(client.bus.reply(serial)[0])[0], 'succeeded')
            finally:
                client.close()

    def granted(self, policy, caller):
        """Tries all that CALLER may do; releases follow attaches, so that each finds the GPU where it needs it."""
        found = [(member, call) for member, call, expected in cells(policy, caller)
                 if not expected and MEMBERS[member][0] not in (READ, ROOT_ONLY)]
        leave = [cell for cell in found if cell[0].endswith('.Attach')]
        back = [cell for cell in found if cell[0].endswith('.Release')]
        self.assertLessEqual(len(leave), len(back), 'more ways out than back')
        for member, call in [cell for pair in zip(itertools.cycle(leave), back) for cell in pair]:
            self.grant(policy, caller, member, call)
        for member, call in found:
            if not member.endswith(('.Attach', '.Release')):
                self.grant(policy, caller, member, call)
        return len(found)

    def test_what_may_be_done_is_done(self):
        counted = 0
        for policy in POLICIES:
            self.machine.policy(policy)
            counted += sum(self.granted(policy, caller) for caller in CALLERS)
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')
        print(f'{counted} cells granted', end=' ', flush=True)
        self.assertGreater(counted, 80)

    def test_reading_needs_nobodys_permission(self):
        for policy in ('no', 'missing', 'dead', 'frozen'):
            self.machine.policy(policy)
            for caller in CALLERS:
                for member, (guard, calls) in MEMBERS.items():
                    if guard == READ:
                        with self.subTest(policy=policy, caller=caller, member=member):
                            client = self.client(caller)
                            self.assertIsNone(self.refused(client, self.send(client, member, calls[0])))
                client.close()
        self.assert_untouched()

    def cancelling(self, policy, caller):
        root, client = self.client(), self.client(caller)
        self.machine.policy('defaults')
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        operation = root.attach('0000:01:00.0')
        self.machine.policy(policy)
        expected = verdict(policy, caller, ['cancel']) if caller != 'root' else None
        error = client.error(client.cancel, operation, timeout=60)
        self.machine.fake('clear')
        state = root.finish(operation)[0]
        self.assertEqual(error if error in REFUSALS else None,
                         expected)
        self.assertEqual(state, 'succeeded' if expected else 'cancelled')
        if not expected:
            self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')
        else:
            self.machine.policy('defaults')
            root.finish(root.release('0000:01:00.0'))

    def test_another_users_operation_is_cancelled_by_those_who_may(self):
        for policy, caller in [('rules', 'bob'), ('rules', 'mallory'), ('no', 'alice'), ('yes', 'alice'), ('missing', 'bob'),
                               ('dead', 'bob'), ('dead', 'root'), ('no', 'nobody')]:
            with self.subTest(policy=policy, caller=caller):
                self.cancelling(policy, caller)

    def test_ones_own_operation_needs_no_permission_to_cancel(self):
        bob = self.client('bob')
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        operation = bob.attach('0000:01:00.0')
        self.machine.policy('no')
        bob.cancel(operation)
        self.machine.fake('clear')
        self.assertEqual(bob.finish(operation)[0], 'cancelled')
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')

    def test_a_caller_that_vanishes_while_polkit_thinks_gets_nothing(self):
        self.machine.policy('frozen')
        bob = self.client('bob')
        bob.bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', ['0000:01:00.0', '', {}])
        witness = self.client()
        self.assertFalse(witness.get(ROOT, MANAGER, 'Busy'))
        bob.close()
        self.clients.remove(bob)
        self.machine.thaw()
        for _ in range(20):  # the daemon and polkitd have answered others since
            witness.state(NVIDIA)
            witness.error(self.client('mallory').attach, '0000:01:00.0')
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
