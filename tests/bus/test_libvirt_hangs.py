# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirt that can be reached and says nothing. Its real client is loaded here late, which AddressSanitizer does not bear:
its own xdr functions have found none to go on to."""
import socket
import unittest

from case import BusTest
from machine import MANAGER, ROOT, SERVICE, WORK
from test_vms import ADDRESS, NODE


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
        operation = bob.release(ADDRESS, timeout=25)  # what clients wait as a rule
        self.assertEqual(bob.error(bob.bus.reply, vms, 30), 'LibvirtUnavailable')
        self.assertEqual(bob.finish(operation)[0], 'succeeded')
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')


if __name__ == '__main__':
    unittest.main()
