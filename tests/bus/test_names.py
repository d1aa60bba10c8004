# SPDX-License-Identifier: GPL-2.0-or-later
"""By what names a VM and a GPU go: in operations, and in what polkit is told for its rules and prompts."""
import unittest

from case import BusTest
from dbus_wire import Variant
from machine import GPU, OPERATION, ROOT, SERVICE

ADDRESS = '0000:01:00.0'
NVIDIA = '/org/gpuctl1/gpus/0000_01_00'
UUID = '11111111-2222-3333-4444-555555555555'
NODE = f'''<node><cpu><mhz>6000</mhz><model>i986</model><active>8</active><nodes>4</nodes><sockets>2</sockets><cores>2</cores>
<threads>1</threads></cpu><memory>8192000</memory>
<domain type="test" xmlns:test="http://libvirt.org/schemas/domain/test/1.0"><test:runstate>5</test:runstate><name>win11</name>
<uuid>{UUID}</uuid><memory>1000000</memory><vcpu>2</vcpu><os><type arch="x86_64" machine="q35">hvm</type></os>
<devices><controller type="pci" model="pcie-root"/></devices></domain></node>'''
QUIET = {'interactive': Variant('b', False)}


class Names(BusTest):
    def setUp(self):
        super().setUp()
        self.restart_with_domains(NODE)
        self.questions = self.machine.questions()
        self.addCleanup(self.questions.close)

    def told(self):
        """(action, details) of the next question to polkit."""
        self.questions.wait(lambda: self.questions.calls, 10, 'a question to polkit')
        body = self.questions.calls.pop(0).body
        return body[1].removeprefix('org.gpuctl1.'), body[2]

    def assert_told(self, action, **details):
        asked, told = self.told()
        self.assertEqual(asked, action)
        if 'name' not in details:
            self.assertIn('GeForce', told.get('name', ''))
            details['name'] = told['name']
        self.assertEqual(told, details)

    def test_a_vm_that_was_given_by_its_uuid_goes_by_its_name(self):
        bob = self.client('bob')
        attach = bob.attach(ADDRESS, UUID)
        self.assertEqual(bob.finish(attach)[0], 'succeeded', bob.finish(attach))
        self.assertEqual(bob.get(attach, OPERATION, 'Vm'), 'win11')
        bob.bus.wait(lambda: bob.get(NVIDIA, GPU, 'Vm') == 'win11', 10, 'the VM of the GPU')
        self.assert_told('attach', gpu=ADDRESS, vm='win11', driver='nvidia')
        release = bob.release(ADDRESS)
        self.assertEqual(bob.finish(release)[0], 'succeeded')
        self.assertEqual(bob.get(release, OPERATION, 'Vm'), 'win11')
        self.assert_told('release', gpu=ADDRESS, vm='win11', driver='vfio-pci')

    def test_a_request_to_cancel_names_the_gpu_by_its_address(self):
        self.machine.fake('block bus/pci/drivers/snd_hda_intel/unbind')
        bob, alice = self.client('bob'), self.client('alice')
        operation = bob.attach(ADDRESS, 'win11')
        self.assert_told('attach', gpu=ADDRESS, vm='win11', driver='nvidia')
        self.assertEqual(alice.error(alice.cancel, operation), 'NotAuthorized')
        self.assert_told('cancel', gpu=ADDRESS, vm='win11', driver='nvidia')
        self.machine.fake('clear')
        bob.finish(operation)

    def test_what_outlives_a_reboot_is_told_with_all_there_is(self):
        alice = self.client('alice')
        calls = [('Host', 'SetBootPolicy', 'ssa{sv}', [ADDRESS, 'vm', QUIET], {'gpu': ADDRESS, 'vm': '', 'driver': 'nvidia'}),
                 ('Host', 'EnableKernelArguments', 'a{sv}', [QUIET], {'gpu': '', 'name': '', 'vm': '', 'driver': ''}),
                 ('Vms', 'SetupVm', 'sa{sv}', ['win11', {**QUIET, 'battery': Variant('b', True)}],
                  {'gpu': '', 'name': '', 'vm': 'win11', 'driver': ''}),
                 ('Vms', 'SetupVm', 'sa{sv}', [UUID, {**QUIET, 'gpu': Variant('s', '01:00'), 'rom': Variant('s', '')}],
                  {'gpu': ADDRESS, 'vm': 'win11', 'driver': 'nvidia'}),
                 ('Vms', 'UndoVm', 'sa{sv}', [UUID, QUIET], {'gpu': '', 'name': '', 'vm': 'win11', 'driver': ''})]
        for interface, member, signature, arguments, details in calls:
            with self.subTest(member=member, arguments=arguments):
                error = alice.error(alice.bus.call, SERVICE, ROOT, f'org.gpuctl1.{interface}', member, signature, arguments)
                self.assertEqual(error, 'NotAuthorized')
                self.assert_told('configure', **details)

    def test_nobody_is_asked_about_a_vm_that_is_not_there_or_a_rom_that_the_card_has_not(self):
        alice = self.client('alice')
        setup = lambda: alice.bus.call(SERVICE, ROOT, 'org.gpuctl1.Vms', 'SetupVm', 'sa{sv}', ['win12', {}])
        self.assertEqual(alice.error(setup), 'VmNotFound')
        self.assertEqual(alice.error(alice.manager, 'ReadRom', 'sa{sv}', ADDRESS, {}), 'NotSupported')
        self.assertEqual(alice.error(alice.manager, 'ReadRom', 'sa{sv}', '0000:00:02.0', QUIET), 'NotAuthorized')
        self.assertEqual(self.told()[0], 'attach')
        self.assertEqual(self.questions.calls, [])


if __name__ == '__main__':
    unittest.main()
