# SPDX-License-Identifier: GPL-2.0-or-later
"""Every kind of nonsense gets a named error, quickly, and nothing changes."""
import os
import unittest

from case import BusTest
from dbus_wire import Disconnected, Variant
from machine import GPU, MANAGER, ROOT, SERVICE

NVIDIA = '/org/gpuctl1/gpus/0000_01_00'
BAD_TEXT = ['\x01', 'a\x1bb', 'a\nb', '\x7f', '0000:01:00.0\n', '..', '/', '%s%n', "'; rm -rf /", 'x' * 65536, '\u202e0000:01:00.0',
            '\x9b31m', 'x' * (1 << 20)]
UNKNOWN = ['0000:99:00.0', '99:00', 'ffff:ff:1f.7', 'dead:beef', 'voodoo']
NAMED = {'InvalidArgument', 'NotFound', 'VmNotFound', 'LibvirtUnavailable', 'AmbiguousGpu', 'Blocked'}


def nested(depth):
    value = Variant('b', True)
    for _ in range(depth):
        value = Variant('v', value)
    return value


class BadInput(BusTest):
    def tearDown(self):
        self.assert_untouched()
        self.assertIsNone(self.machine.daemon.poll(), 'the daemon lives')
        super().tearDown()

    def test_unknown_gpus_are_not_found(self):
        root = self.client()
        for gpu in UNKNOWN:
            with self.subTest(gpu=gpu):
                self.assertEqual(root.error(root.attach, gpu), 'NotFound')
                self.assertEqual(root.error(root.release, gpu), 'NotFound')

    def test_malformed_gpus_are_refused_by_a_named_error_that_can_be_printed(self):
        root = self.client()
        for gpu in BAD_TEXT:
            for call in (root.attach, root.release):
                with self.subTest(gpu=gpu[:40]):
                    self.assertIn(root.error(call, gpu), {'InvalidArgument', 'NotFound'})
                    self.assertFalse([c for c in root.last_message if ord(c) < 32 and c != '\n' or 0x7f <= ord(c) < 0xa0])
                    self.assertLess(len(root.last_message), 2000)

    def test_unknown_and_malformed_vms(self):
        root = self.client()
        for vm in ['no-such-vm', *BAD_TEXT]:
            with self.subTest(vm=vm[:40]):
                self.assertIn(root.error(root.attach, '0000:01:00.0', vm),
                              {'InvalidArgument', 'VmNotFound', 'LibvirtUnavailable'})

    def test_unknown_options_are_refused_by_name(self):
        root = self.client()
        self.assertEqual(root.error(root.attach, '0000:01:00.0', frobnicate=True), 'InvalidArgument')
        self.assertIn('frobnicate', root.last_message)

    def test_options_of_the_wrong_type_are_refused_by_name(self):
        root = self.client()
        wrong = [Variant('s', 'yes'), Variant('u', 1), Variant('as', []), Variant('a{sv}', {}), Variant('v', Variant('b', True)),
                 Variant('(bb)', (True, True)), Variant('d', 1.0)]
        for name in ('interactive', 'force', 'live', 'start', 'keep'):
            for value in wrong:
                with self.subTest(name=name, value=value):
                    self.assertEqual(root.error(root.attach, '0000:01:00.0', **{name: value}), 'InvalidArgument')
                    self.assertIn(name, root.last_message)

    def test_what_is_about_a_vm_is_refused_without_one(self):
        root = self.client()
        for name in ('start', 'live'):
            self.assertEqual(root.error(root.attach, '0000:01:00.0', **{name: True}), 'InvalidArgument')
            for member, signature, first in (('Check', 'ssa{sv}', []), ('Plan', 'sssa{sv}', ['attach'])):
                arguments = [*first, '0000:01:00.0', '', {name: Variant('b', True)}]
                self.assertEqual(root.error(root.manager, member, signature, *arguments), 'InvalidArgument', (member, name))
        self.assert_untouched()

    def test_plan_and_check_take_what_their_verb_takes_and_nothing_else(self):
        root = self.client()
        check = lambda vm='', **options: root.manager('Check', 'ssa{sv}', '0000:01:00.0', vm, options)
        plan = lambda verb, vm='', **options: root.manager('Plan', 'sssa{sv}', verb, '0000:01:00.0', vm, options)
        yes, release = Variant('b', True), Variant('s', 'release')
        for name in ('start', 'keep'):
            self.assertEqual(root.error(plan, 'release', **{name: yes}), 'InvalidArgument')
            self.assertIn(name, root.last_message)
            self.assertEqual(root.error(check, verb=release, **{name: yes}), 'InvalidArgument')
        for name in ('reset', 'rescan'):
            self.assertEqual(root.error(plan, 'attach', **{name: yes}), 'InvalidArgument')
            self.assertEqual(root.error(check, **{name: yes}), 'InvalidArgument')
            self.assertIsNone(root.error(check, verb=release, **{name: yes}))
        self.assertEqual(root.error(plan, 'release', 'no-such-vm'), 'InvalidArgument')
        self.assertEqual(root.error(check, 'no-such-vm', verb=release), 'InvalidArgument')
        for verb in (Variant('s', 'destroy'), Variant('s', ''), Variant('b', True)):
            self.assertEqual(root.error(check, verb=verb), 'InvalidArgument')
        self.assertEqual(root.error(root.attach, '0000:01:00.0', verb=release), 'InvalidArgument')

    def test_wrong_signatures_paths_and_members(self):
        bus = self.client().bus
        client = self.client()
        wrong = [(ROOT, MANAGER, 'Attach', 's', ['0000:01:00.0']), (ROOT, MANAGER, 'Attach', '', []),
                 (ROOT, MANAGER, 'Attach', 'ssa{ss}', ['0000:01:00.0', '', {'force': 'x'}]),
                 (ROOT, MANAGER, 'Attach', 'uub', [1, 2, True]), (ROOT, MANAGER, 'NoSuchMethod', '', []),
                 (ROOT, 'org.gpuctl1.NoSuch', 'Attach', '', []), ('/no/such/object', MANAGER, 'Attach', 'ssa{sv}', ['', '', {}]),
                 ('/org/gpuctl1/gpus/0000_99_00', GPU, 'Release', 'a{sv}', [{}]),
                 ('/org/gpuctl1/operations/999999', 'org.gpuctl1.Operation', 'Cancel', '', [])]
        for path, interface, member, signature, arguments in wrong:
            with self.subTest(member=member, signature=signature, path=path):
                error = client.error(bus.call, SERVICE, path, interface, member, signature, arguments)
                self.assertIn(error, {'InvalidArgs', 'UnknownMethod', 'UnknownInterface', 'UnknownObject', 'InvalidSignature'})

    def test_deep_variants_many_options_and_descriptors(self):
        root = self.client()
        for deep in range(1, 200):
            try:
                self.assertEqual(root.error(root.attach, '0000:01:00.0', force=nested(deep)), 'InvalidArgument', deep)
            except Disconnected:
                break
        print(f'\n  {deep - 1} nested variants are the most that the bus takes', end=' ', flush=True)
        self.assertGreaterEqual(deep - 1, 60)  # D-Bus allows 64 levels in all
        root = self.client()
        many = {f'option-{i}': True for i in range(100000)}
        self.assertIn(root.error(root.attach, '0000:01:00.0', timeout=60, **many), {'InvalidArgument', 'LimitsExceeded'})
        before = len(os.listdir(f'/proc/{self.machine.daemon.pid}/fd'))
        for _ in range(20):
            fds = [os.open('/dev/null', os.O_RDONLY) for _ in range(16)]
            serial = root.bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}',
                                        ['0000:01:00.0', '', {'fds': Variant('ah', list(range(16)))}], fds=fds)
            self.assertEqual(root.error(root.bus.reply, serial), 'AccessDenied')  # of the bus, which lets none through
            for fd in fds:
                os.close(fd)
        root.state()  # the last message is dropped by now; right after its reply it need not be
        self.assertEqual(len(os.listdir(f'/proc/{self.machine.daemon.pid}/fd')), before, 'received descriptors are closed')


class Memory(BusTest):
    measures_memory = True

    def test_big_strings_leave_no_memory_behind(self):
        root = self.client()
        def rss():
            root.state()  # the message before this one is dropped by now; right after its reply it need not be
            return int(open(f'/proc/{self.machine.daemon.pid}/statm').read().split()[1]) * 4
        for round_ in range(12):
            root.error(root.attach, 'y' * (8 << 20), timeout=60)
            if round_ == 3:
                before = rss()
        self.assertLess(rss() - before, 8 * 1024, 'kB more after eight more strings of 8 MiB')


if __name__ == '__main__':
    unittest.main()
