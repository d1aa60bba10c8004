# SPDX-License-Identifier: GPL-2.0-or-later
"""A GPU that an operation has is Busy, at every moment of it; only a release waits for a GPU that comes home by itself."""
import json
import unittest

from case import BusTest
from dbus_wire import Variant
from machine import GPU, MANAGER, OPERATION, ROOT, SERVICE, WORK, until
from test_journal import DOMAIN

ADDRESS = '0000:01:00.0'
INTEGRATED = '0000:00:02.0'  # has a ROM
NVIDIA = '/org/gpuctl1/gpus/0000_01_00'
UUID = '5a3f2c1e-9d8b-4c7a-8e6f-0123456789ab'


class Busy(BusTest):
    def problems(self, client):
        found = client.manager('Check', 'ssa{sv}', ADDRESS, '', {})[0]
        return {p['id'].value: {k: v.value for k, v in p.items()} for p in found}

    def assert_busy(self, operation):
        for user in ('root', 'bob', 'alice'):
            client = self.client(user)
            for call in (client.attach, client.release):
                self.assertEqual(client.error(call, ADDRESS), 'Busy', (user, call.__name__))
                self.assertIn(f'operation {operation.rsplit("/")[-1]} ', client.last_message)

    def test_while_programs_let_go_before_the_gpu_leaves(self):
        bob, program = self.client('bob'), self.client('alice')
        program.manager('Inhibit', 'ss', 'a program', 'a test')
        serial = bob.bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', [ADDRESS, '', {}])
        operation = until(lambda: next((p for p, i in program.objects().items() if OPERATION in i), None), what='an operation')
        self.assert_busy(operation)
        program.bus.close_fds()
        self.assertEqual(bob.finish(bob.bus.reply(serial)[0])[0], 'succeeded')

    def test_a_domain_that_waits_for_what_is_refused_then_is_answered_at_once(self):
        bob, program, hook = self.client('bob'), self.client('alice'), self.client()
        program.manager('Inhibit', 'ss', 'a program', 'a test')
        attach = bob.bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', [ADDRESS, '', {}])
        until(lambda: any(OPERATION in i for i in program.objects().values()), what='an operation')
        start = hook.bus.send_call(SERVICE, ROOT, 'org.gpuctl1.Vms', 'PrepareDomain', 'ssa{sv}', ['win11', DOMAIN, {}])
        self.assertTrue(hook.get(ROOT, MANAGER, 'Busy'))  # answered after that call came in
        hook.bus.receive(0)
        self.assertNotIn(start, hook.bus.replies)
        self.machine.fake(f'dead {ADDRESS} 1')
        self.addCleanup(self.machine.fake, f'dead {ADDRESS} 0')
        self.assertIn('gpu-gone', self.problems(hook))  # so gpuctld knows
        program.bus.close_fds()
        self.assertEqual(bob.error(bob.bus.reply, attach), 'Blocked')
        self.assertEqual(hook.error(hook.bus.reply, start, 30), 'Blocked')

    def test_while_its_rom_is_read_and_a_domain_waits_for_that(self):
        reader, bob, hook = self.client(), self.client(), self.client()
        self.machine.fake('block *')
        serial = reader.bus.send_call(SERVICE, ROOT, MANAGER, 'ReadRom', 'sa{sv}', [INTEGRATED, {}])
        until(lambda: bob.error(bob.attach, INTEGRATED) == 'Busy', what='a read that has begun')
        self.assertIn('ROM', bob.last_message)
        self.assertEqual(bob.error(bob.manager, 'ReadRom', 'sa{sv}', INTEGRATED, {}), 'Busy')
        domain = DOMAIN.replace('bus="0x01" slot="0x00"', 'bus="0x00" slot="0x02"')
        start = hook.bus.send_call(SERVICE, ROOT, 'org.gpuctl1.Vms', 'PrepareDomain', 'ssa{sv}', ['win11', domain, {}])
        self.assertFalse(hook.get(ROOT, MANAGER, 'Busy'))  # answered after that call came in
        hook.bus.receive(0)
        self.assertNotIn(start, hook.bus.replies)
        self.machine.fake('clear')
        self.assertEqual(bytes(reader.bus.reply(serial)[0][:2]), b'\x55\xaa')
        self.assertEqual(hook.error(hook.bus.reply, start, 30), 'Blocked')
        self.assertEqual(bob.error(bob.attach, INTEGRATED), 'Blocked')

    def test_while_a_driver_lets_go_and_nothing_says_that_it_hangs(self):
        self.machine.fake('hang-remove nvidia 1')
        bob = self.client('bob')
        operation = bob.attach(ADDRESS)
        until(lambda: self.machine.functions()[ADDRESS]['removing'], what='a remove()')
        self.assert_busy(operation)
        bob.bus.wait(lambda: bob.state() == 'changing', 10, 'state changing')
        self.assertNotIn('unbind-hangs', [p['id'].value for p in bob.get(NVIDIA, GPU, 'Problems')])
        found = self.problems(bob)
        self.assertNotIn('unbind-hangs', found)
        self.assertEqual(found['operation-running']['severity'], 'blocker')
        self.assertIn(f'operation {operation.rsplit("/")[-1]} (attach)', found['operation-running']['message'])
        self.machine.fake('hang-remove nvidia 0')
        self.assertEqual(bob.finish(operation)[0], 'succeeded')
        self.assertNotIn('operation-running', self.problems(bob))


class Returns(BusTest):
    """The domain that has the GPU ends, and somebody releases at that very moment."""

    def setUp(self):
        super().setUp()
        self.root = self.client()
        self.assertEqual(self.root.finish(self.root.attach(ADDRESS))[0], 'succeeded')
        directory = WORK / 'state' / 'assignments'
        directory.mkdir(parents=True, exist_ok=True)
        (directory / '0000:01:00.json').write_text(json.dumps({
            'gpu': '0000:01:00', 'functions': [ADDRESS, '0000:01:00.1'], 'vm_uuid': UUID, 'vm_name': 'win11', 'uid': 0,
            'since': 1, 'keep': False, 'running': True, 'returning': False, 'lease_only': False, 'displaced': []}))

    def domain_ends(self):
        """It comes home, and takes its time over it; the path of that operation."""
        self.machine.fake('block bus/pci/drivers/vfio-pci/unbind')
        self.root.bus.call(SERVICE, ROOT, 'org.gpuctl1.Vms', 'ReleaseDomain', 'ss', ['win11', DOMAIN])
        return until(lambda: next((p for p, i in self.root.objects().items() if OPERATION in i and
                                   (i[OPERATION]['Kind'].value, i[OPERATION]['State'].value) == ('release', 'running')), None),
                     what='the return')

    def test_a_release_waits_for_the_return_and_goes_on(self):
        own = self.domain_ends()
        bob = self.client('bob')
        serial = bob.bus.send_call(SERVICE, ROOT, MANAGER, 'Release', 'sa{sv}', [ADDRESS, {}])
        self.assertEqual(self.root.error(self.root.attach, ADDRESS), 'Busy')  # answered after bob's call came in
        bob.bus.receive(0)
        self.assertNotIn(serial, bob.bus.replies)
        checked = self.root.manager('Check', 'ssa{sv}', ADDRESS, '', {'verb': Variant('s', 'release')})[0]
        self.assertEqual([(p['id'].value, p['severity'].value) for p in checked][0], ('operation-running', 'info'))
        self.machine.fake('clear')
        operation = bob.bus.reply(serial)[0]
        self.assertNotEqual(operation, own)
        self.assertEqual(bob.finish(operation)[0], 'succeeded')
        self.assertEqual(bob.get(own, OPERATION, 'State'), 'succeeded')
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')

    def test_a_release_that_has_been_allowed_waits_too_and_polkit_is_asked_once(self):
        self.machine.freeze()
        questions, bob = self.machine.questions(), self.client('bob')
        self.addCleanup(questions.close)
        serial = bob.bus.send_call(SERVICE, ROOT, MANAGER, 'Release', 'sa{sv}', [ADDRESS, {}])
        questions.wait(lambda: questions.calls, 10, 'a question to polkit')
        self.domain_ends()
        self.machine.thaw()
        mallory = self.client('mallory')
        refused = lambda: mallory.error(mallory.manager, 'ReadRom', 'sa{sv}', INTEGRATED, {})
        self.assertEqual(refused(), 'NotAuthorized')  # and bob is through
        bob.bus.receive(0)
        self.assertNotIn(serial, bob.bus.replies)
        self.machine.fake('clear')
        self.assertEqual(bob.finish(bob.bus.reply(serial)[0])[0], 'succeeded')
        self.assertEqual(refused(), 'NotAuthorized')
        asked = lambda: [call.body[1].rpartition('.')[2] for call in questions.calls]
        questions.wait(lambda: asked()[-1] == 'attach' and len(asked()) >= 3, 10, 'the last question')
        self.assertEqual(asked(), ['release', 'attach', 'attach'])


if __name__ == '__main__':
    unittest.main()
