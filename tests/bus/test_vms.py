# SPDX-License-Identifier: GPL-2.0-or-later
"""Attaching to a VM of libvirt's own test driver, by the shipped daemon."""
import pathlib
import stat
import unittest

from case import BusTest
from dbus_wire import Variant
from machine import ROOT, SERVICE, until

ADDRESS, UUID = '0000:01:00.0', '11111111-2222-3333-4444-555555555555'
NODE = f'''<node><domain type="test" xmlns:test="http://libvirt.org/schemas/domain/test/1.0"><test:runstate>5</test:runstate>
<test:hasmanagedsave>1</test:hasmanagedsave><name>saved</name><uuid>{UUID}</uuid><memory>1000000</memory>
<os><type arch="x86_64" machine="q35">hvm</type></os><devices><controller type="pci" model="pcie-root"/></devices></domain></node>'''


class Saved(BusTest):
    def setUp(self):
        super().setUp()
        self.restart_with_domains(NODE)
        self.bob = self.client('bob')

    def test_a_vm_that_would_come_back_without_the_gpu_is_not_started_with_it(self):
        start = lambda: self.bob.attach(ADDRESS, 'saved', start=Variant('b', True))
        self.assertEqual(self.bob.error(start), 'Blocked')
        self.assert_untouched()
        checked = self.bob.bus.call(SERVICE, ROOT, 'org.gpuctl1.Vms', 'CheckVm', 'sa{sv}', ['saved', {}])[0]
        self.assertIn('vm-managed-save', [problem['id'].value for problem in checked])

    def test_a_gpu_that_is_gone_is_not_taken_for_another_one(self):
        self.assertEqual(self.bob.finish(self.bob.attach(ADDRESS, 'saved'))[0], 'succeeded')
        self.machine.fake(f'unplug {ADDRESS}')
        until(lambda: len(self.bob.gpus()) == 1, what='the end of the GPU')
        for gpu in ('', ADDRESS, '01:00'):
            self.assertEqual(self.bob.error(self.bob.release, gpu), 'NotFound', gpu)
            self.assertIn('0000:01:00 is not there; saved was given it', self.bob.last_message)
        self.assertEqual(self.bob.error(self.bob.release, '02:00'), 'NotFound')
        self.assertNotIn('saved', self.bob.last_message)
        self.client().bus.call(SERVICE, ROOT, 'org.gpuctl1.Vms', 'SetupVm', 'sa{sv}', ['saved', {}])
        self.assertEqual(self.bob.error(self.bob.release, ADDRESS), 'NotFound')
        self.assertNotIn('saved', self.bob.last_message)

    def test_the_picture_belongs_to_who_logged_in_before_sudo(self):
        setup = lambda caller: caller.bus.call(
            SERVICE, ROOT, 'org.gpuctl1.Vms', 'SetupVm', 'sa{sv}',
            ['saved', {'looking-glass': Variant('s', '1920x1080'), 'dry-run': Variant('b', True)}])[0]
        root, bob = self.client(), self.machine.uids['bob']
        login = pathlib.Path('/proc/self/loginuid')
        self.addCleanup(login.write_text, login.read_text())
        login.write_text('4294967295')
        self.assertIn('0660 0 kvm', setup(root))
        login.write_text('1234')
        self.assertIn('0660 1234 kvm', setup(root))
        self.assertIn(f'0660 {bob} kvm', setup(self.bob))

    def test_it_is_defined_with_it_under_a_lock_that_nobody_else_can_hold(self):
        self.assertEqual(self.bob.finish(self.bob.attach(ADDRESS, 'saved'))[0], 'succeeded')
        lock = pathlib.Path(f'/run/gpuctl/vm/{UUID}.lock')
        self.assertEqual([stat.S_IMODE(path.stat().st_mode) for path in (lock, lock.parent)], [0o600, 0o700])


if __name__ == '__main__':
    unittest.main()
