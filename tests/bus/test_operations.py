# SPDX-License-Identifier: GPL-2.0-or-later
"""Attach and release by the shipped daemon, over the bus, with real polkit, on a /sys that behaves like the kernel's."""
import unittest

from case import BusTest
from dbus_wire import Variant
from machine import MANAGER, OPERATION, ROOT, SERVICE, until

NVIDIA = '/org/gpuctl1/gpus/0000_01_00'


class Moves(BusTest):
    def test_bob_hands_the_gpu_over_and_gets_it_back(self):
        before = self.machine.functions()
        bob = self.client('bob')
        operation = bob.attach('0000:01:00.0')
        self.assertEqual(bob.finish(operation), ('succeeded', '', ''))
        self.assertEqual(bob.get(operation, OPERATION, 'StartedBy'), self.machine.uids['bob'])
        self.assert_drivers(gpu='vfio-pci', audio='vfio-pci')
        bob.bus.wait(lambda: bob.state() == 'vm', 10, 'state vm')
        self.assertEqual(bob.finish(bob.release('0000:01:00.0'))[0], 'succeeded')
        self.assertEqual(self.machine.functions(), before, 'drivers, overrides and power as they were')

    def test_an_empty_argument_is_the_only_eligible_gpu(self):
        bob = self.client('bob')
        self.assertEqual(bob.finish(bob.attach(''))[0], 'succeeded')
        self.assert_drivers(gpu='vfio-pci', audio='vfio-pci')
        self.assertEqual(bob.finish(bob.release(''))[0], 'succeeded')
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')

    def test_overrides_come_first_and_companions_leave_before_the_gpu(self):
        bob = self.client('bob')
        bob.finish(bob.attach('0000:01:00.0'))
        paths = [w['path'] for w in self.machine.writes() if w['result'] == 0]
        order = [path.rsplit('/', 1)[1] + (' audio' if 'snd_hda_intel' in path else '') for path in paths]
        self.assertLess(max(i for i, p in enumerate(paths) if p.endswith('driver_override')),
                        min(i for i, p in enumerate(paths) if p.endswith('unbind')))
        self.assertLess(order.index('unbind audio'), order.index('unbind'))

    def test_attach_of_what_is_attached_succeeds_at_once(self):
        bob = self.client('bob')
        bob.finish(bob.attach('0000:01:00.0'))
        self.machine.fake('forget')
        self.assertEqual(bob.finish(bob.attach('0000:01:00.0'))[0], 'succeeded')
        self.assertEqual(self.machine.writes(), [])

    def test_a_refused_probe_gives_every_function_its_old_driver_back(self):
        before = self.machine.functions()
        self.machine.fake('probe-error vfio-pci 0000:01:00.1 EBUSY')
        bob = self.client('bob')
        state, error, message = bob.finish(bob.attach('0000:01:00.0'))
        self.assertEqual((state, error), ('rolled-back', 'org.gpuctl1.Error.KernelRefused'))
        self.assertIn('0000:01:00.1', message)
        self.assertEqual(self.machine.functions(), before)

    def test_of_two_at_once_one_works_and_one_is_busy(self):
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        bob, root = self.client('bob'), self.client()
        operation = bob.attach('0000:01:00.0')
        self.assertTrue(root.get(ROOT, MANAGER, 'Busy'))
        self.assertEqual(root.error(root.attach, '0000:01:00.0'), 'Busy')
        self.assertEqual(root.error(root.release, '0000:01:00.0'), 'Busy')
        self.machine.fake('clear')
        self.assertEqual(bob.finish(operation)[0], 'succeeded')
        root.bus.wait(lambda: not root.get(ROOT, MANAGER, 'Busy'), 10, 'the end of being busy')

    def test_the_gpu_that_drives_the_screen_is_not_taken(self):
        bob = self.client('bob')
        self.assertEqual(bob.error(bob.attach, '0000:00:02.0'), 'Blocked')
        self.assert_untouched()


class Ladder(BusTest):
    """A card whose configuration space reads all ones."""

    def dead(self, yes):
        for function in (0, 1):
            self.machine.fake(f'dead 0000:01:00.{function} {int(yes)}')

    def test_a_dead_card_stays_where_it_is_until_a_rung_of_the_ladder_is_asked_for(self):
        root, bob = self.client(), self.client('bob')
        self.assertEqual(root.finish(root.attach('0000:01:00.0'))[0], 'succeeded')
        self.dead(True)
        state, error, message = root.finish(root.release('0000:01:00.0'))
        self.assertEqual((state, error), ('rolled-back', 'org.gpuctl1.Error.DeviceGone'), message)
        self.assert_drivers(gpu='vfio-pci', audio='vfio-pci')
        self.dead(False)
        for rung in ('reset', 'rescan'):
            self.assertEqual(bob.error(bob.release, '0000:01:00.0', **{rung: True, 'interactive': False}), 'NotAuthorized')
            self.machine.fake('forget')
            self.assertEqual(root.finish(root.release('0000:01:00.0', **{rung: True}))[0], 'succeeded')
            self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')
            written = [w['path'].rsplit('/', 1)[1] for w in self.machine.writes() if w['result'] == 0]
            self.assertIn(rung, written)
            self.assertEqual(root.finish(root.attach('0000:01:00.0'))[0], 'succeeded')

    def test_both_rungs_at_once_are_refused(self):
        root = self.client()
        self.assertEqual(root.error(root.release, '0000:01:00.0', reset=True, rescan=True), 'InvalidArgument')


class Crash(BusTest):
    def test_a_daemon_killed_at_any_write_leaves_a_whole_gpu_after_its_restart(self):
        for point in range(12):
            with self.subTest(point=point):
                self.machine.fresh()
                self.machine.fake(f'block * {point} 1')
                self.machine.start()
                bob = self.machine.client('bob')
                try:
                    operation = bob.attach('0000:01:00.0')
                    until(lambda: len(self.machine.writes()) >= point, what=f'{point} writes')
                    self.machine.kill('clear')
                    self.machine.start()
                    self.settle()
                finally:
                    bob.close()

    def test_a_stop_with_questions_in_flight_is_a_clean_exit(self):
        bob = self.client('bob')
        for member, arguments in [('ListUsers', ('0000:01:00.0',)), ('Check', ('0000:01:00.0', '', {})), ('Diagnose', ())] * 2:
            signature = {'ListUsers': 's', 'Check': 'ssa{sv}', 'Diagnose': ''}[member]
            bob.bus.send_call(SERVICE, ROOT, MANAGER, member, signature, arguments)
        self.assertEqual(self.machine.stop(), 0)

    def test_a_stop_and_a_start_keep_what_is_attached(self):
        bob = self.client('bob')
        bob.finish(bob.attach('0000:01:00.0'))
        self.machine.stop()
        self.machine.fake('forget')
        self.machine.start()
        self.assertEqual(self.machine.writes(), [])
        bob = self.client('bob')
        self.assertEqual(bob.state(), 'vm')
        self.assertEqual(bob.finish(bob.release('0000:01:00.0'))[0], 'succeeded')
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')


class HotPlug(BusTest):
    def test_an_unplugged_gpu_leaves_the_bus_and_comes_back(self):
        client = self.client()
        for address in ('0000:01:00.1', '0000:01:00.0'):
            self.machine.fake(f'unplug {address}')
        client.bus.wait(lambda: any(s.member == 'InterfacesRemoved' and s.body[0] == NVIDIA for s in client.bus.signals), 10,
                        'InterfacesRemoved')
        self.assertNotIn(NVIDIA, client.gpus())
        self.assertEqual(client.error(client.attach, '0000:01:00.0'), 'NotFound')
        for address in ('0000:01:00.0', '0000:01:00.1'):
            self.machine.fake(f'plug {address}')
        client.bus.wait(lambda: NVIDIA in client.gpus(), 10, 'the GPU again')

    def test_a_gpu_that_vanishes_during_an_attach_ends_the_operation(self):
        self.machine.fake('vanish bus/pci/drivers/nvidia/unbind')
        bob = self.client('bob')
        state, error, _ = bob.finish(bob.attach('0000:01:00.0'))
        self.assertIn(state, ('rolled-back', 'failed'))
        self.assertEqual(error, 'org.gpuctl1.Error.DeviceGone')
        self.machine.fake('clear')
        self.assertEqual(self.machine.functions()['0000:01:00.1']['driver'], 'snd_hda_intel')


class FourFunctions(BusTest):
    machine_name = 'four-functions'

    def test_all_four_move_and_return(self):
        before = self.machine.functions()
        root = self.client()
        self.assertEqual(root.finish(root.attach('0000:01:00.0')), ('succeeded', '', ''))
        away = {a: f['driver'] for a, f in self.machine.functions().items() if a.startswith('0000:01:00')}
        self.assertEqual(set(away.values()), {'vfio-pci'})
        self.assertEqual(len(away), 4)
        root.finish(root.release('0000:01:00.0'))
        self.assertEqual(self.machine.functions(), before)


class SharedGroup(BusTest):
    machine_name = 'shared-group'

    def test_a_foreign_function_in_the_group_is_named_and_nothing_changes(self):
        root = self.client()
        self.assertEqual(root.error(root.attach, '0000:01:00.0'), 'Blocked')
        self.assertIn('0000:01:00.2', root.last_message)
        self.assertEqual(self.machine.writes(), [])


class NoIommu(BusTest):
    machine_name = 'no-iommu'

    def test_without_an_iommu_it_is_refused_with_the_remedy(self):
        root = self.client()
        self.assertEqual(root.error(root.attach, '0000:01:00.0'), 'Blocked')
        self.assertRegex(root.last_message.lower(), 'iommu')
        verdict = lambda **options: [p['id'].value for p in root.manager('Check', 'ssa{sv}', '0000:01:00.0', '', options)[0]]
        self.assertTrue(verdict())
        self.assertEqual(verdict(verb=Variant('s', 'attach')), verdict())
        self.assertEqual(verdict(verb=Variant('s', 'release')), [], 'nothing stands in the way of a release')
        self.assertEqual(self.machine.writes(), [])


class TwoGpus(BusTest):
    machine_name = 'two-gpus'

    def test_an_empty_argument_is_ambiguous_and_names_both(self):
        root = self.client()
        self.assertEqual(root.error(root.attach, ''), 'AmbiguousGpu')
        for address in ('0000:01:00', '0000:03:00'):
            self.assertIn(address, root.last_message)

    def test_the_equal_twin_stays(self):
        root = self.client()
        self.assertEqual(root.finish(root.attach('0000:03:00.0'))[0], 'succeeded')
        functions = self.machine.functions()
        self.assertEqual(functions['0000:03:00.0']['driver'], 'vfio-pci')
        self.assertEqual((functions['0000:01:00.0']['driver'], functions['0000:01:00.0']['override']), ('nvidia', ''))


if __name__ == '__main__':
    unittest.main()
