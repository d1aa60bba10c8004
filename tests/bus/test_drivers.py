# SPDX-License-Identifier: GPL-2.0-or-later
"""NVIDIA's driver as it really is: what must be unloaded before it lets go, and what it is called when it is not loaded."""
import pathlib
import unittest

from case import BusTest
from machine import OPERATION

GPU = '0000:01:00.0'


class BeforeItHadHooks(BusTest):
    machine_name = 'nvidia-550'

    def test_nvidia_drm_is_unloaded_before_the_gpu_leaves_and_loaded_again_when_it_is_home(self):
        before, drm = self.machine.functions(), pathlib.Path('/sys/module/nvidia_drm')
        bob = self.client('bob')
        check = bob.manager('Check', 'ssa{sv}', GPU, '', {})[0]
        self.assertEqual([p for p in check if p['severity'].value == 'blocker'], [])
        operation = bob.attach(GPU)
        self.assertEqual(bob.finish(operation), ('succeeded', '', ''))
        kinds = [step[0] for step in bob.get(operation, OPERATION, 'Steps')]
        self.assertLess(kinds.index('check-users'), kinds.index('unload-module'))
        self.assertFalse(drm.exists())
        self.assert_drivers(gpu='vfio-pci', audio='vfio-pci')
        self.assertEqual(bob.finish(bob.release(GPU))[0], 'succeeded')
        self.assertTrue(drm.exists())
        self.assertEqual(self.machine.functions(), before)


class OnVfioSinceTheBoot(BusTest):
    machine_name = 'vfio-since-boot'

    def blacklist(self, *lines):
        file = pathlib.Path('/etc/modprobe.d/test.conf')
        file.parent.mkdir(exist_ok=True)
        file.write_text('\n'.join(lines) + '\n')
        self.addCleanup(file.unlink)

    def test_it_comes_home_to_nvidia_with_nvidia_drm_where_nouveau_is_blacklisted(self):
        self.blacklist('blacklist nouveau')
        bob = self.client('bob')
        self.assertEqual(bob.finish(bob.release(GPU)), ('succeeded', '', ''))
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')
        self.assertTrue(pathlib.Path('/sys/module/nvidia_drm').exists())

    def test_it_comes_home_to_nouveau_where_that_may_be_loaded(self):
        self.blacklist('options snd_hda_intel power_save=1')
        bob = self.client('bob')
        self.assertEqual(bob.finish(bob.release(GPU)), ('succeeded', '', ''))
        self.assert_drivers(gpu='nouveau', audio='snd_hda_intel')


if __name__ == '__main__':
    unittest.main()
