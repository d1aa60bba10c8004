# SPDX-License-Identifier: GPL-2.0-or-later
"""Attaching to a VM of libvirt's own test driver, by the shipped daemon."""
import pathlib
import socket
import stat
import unittest

from case import BusTest
from dbus_wire import Variant
from machine import MANAGER, ROOT, SERVICE, WORK

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

    def test_it_is_defined_with_it_under_a_lock_that_nobody_else_can_hold(self):
        self.assertEqual(self.bob.finish(self.bob.attach(ADDRESS, 'saved'))[0], 'succeeded')
        lock = pathlib.Path(f'/run/gpuctl/vm/{UUID}.lock')
        self.assertEqual([stat.S_IMODE(path.stat().st_mode) for path in (lock, lock.parent)], [0o600, 0o700])


class Hangs(BusTest):
    """libvirt takes connections and answers nothing."""

    def start_with_hanging_libvirt(self):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(WORK / 'libvirt.sock'))
        self.addCleanup((WORK / 'libvirt.sock').unlink)
        listener.listen()
        self.machine.stop()
        self.machine.libvirt = f'qemu+unix:///system?socket={WORK}/libvirt.sock'
        self.machine.start()

    def test_the_gpu_comes_home_without_it_and_questions_about_vms_are_answered(self):
        self.restart_with_domains(NODE)
        bob = self.client('bob')
        self.assertEqual(bob.finish(bob.attach(ADDRESS, 'saved'))[0], 'succeeded')
        self.start_with_hanging_libvirt()
        bob = self.client('bob')
        vms = bob.bus.send_call(SERVICE, ROOT, MANAGER, 'ListVms')
        operation = bob.release(ADDRESS)
        self.assertEqual(bob.error(bob.bus.reply, vms, 5), 'LibvirtUnavailable')
        self.assertEqual(bob.finish(operation)[0], 'succeeded')
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')


if __name__ == '__main__':
    unittest.main()
