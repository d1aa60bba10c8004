# SPDX-License-Identifier: GPL-2.0-or-later
"""Who has asked for an operation: leaves before the answer, leaves after it, cancels, or releases what a failure left."""
import signal
import time
import unittest

from case import BusTest
from machine import MANAGER, OPERATION, ROOT, SERVICE, until

ADDRESS = '0000:01:00.0'


class Askers(BusTest):
    def setUp(self):
        super().setUp()
        self.root = self.client()

    def operation(self):
        return until(lambda: next((p for p, i in self.root.objects().items() if OPERATION in i), None), what='an operation')

    def held_back(self):
        """bob's attach, which a program delays; bob has no answer yet."""
        bob, self.program = self.client('bob'), self.client('alice')
        self.program.manager('Inhibit', 'ss', 'a program', 'a test')
        self.serial = bob.bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', [ADDRESS, '', {}])
        return bob, self.operation()

    def assert_cancelled_at_once(self, operation):
        began = time.monotonic()
        state, error, message = self.root.finish(operation)
        self.assertEqual((state, error), ('cancelled', 'org.gpuctl1.Error.Cancelled'))
        self.assertEqual(message, 'cancelled before anything was done')
        self.assertLess(time.monotonic() - began, 3, 'a program may delay it for 5 seconds')
        self.program.bus.close_fds()
        self.assert_untouched()

    def test_who_leaves_before_the_answer_wants_nothing_any_more(self):
        bob, operation = self.held_back()
        bob.close()
        self.assert_cancelled_at_once(operation)

    def test_a_cancel_waits_for_no_program(self):
        _, operation = self.held_back()
        self.client('bob').cancel(operation)
        self.assert_cancelled_at_once(operation)

    def told_of(self, operation):
        """What root has heard of it so far, without its steps."""
        own = [s for s in self.root.bus.signals if operation in (s.path, s.body[0] if s.body else None)]
        return [s for s in own if s.member != 'PropertiesChanged' or 'State' in s.body[1]]

    def test_what_is_refused_when_it_begins_has_failed_for_those_who_saw_it(self):
        bob, operation = self.held_back()
        self.machine.fake(f'dead {ADDRESS} 1')
        self.addCleanup(self.machine.fake, f'dead {ADDRESS} 0')
        self.root.manager('Check', 'ssa{sv}', ADDRESS, '', {})  # so gpuctld knows
        self.program.bus.close_fds()
        self.assertEqual(bob.error(bob.bus.reply, self.serial), 'Blocked')
        self.root.bus.wait(lambda: self.told_of(operation)[-1].member == 'InterfacesRemoved', 10, 'the end of the operation')
        told = self.told_of(operation)
        self.assertEqual([s.member for s in told], ['InterfacesAdded', 'PropertiesChanged', 'Finished', 'InterfacesRemoved'])
        self.assertEqual((told[1].body[1]['State'].value, told[2].body[:2]), ('failed', ['failed', 'org.gpuctl1.Error.Blocked']))
        self.assertIn('gpu-gone', told[2].body[2])
        self.assertFalse(self.root.get(ROOT, MANAGER, 'Busy'))

    def test_a_recovery_after_a_crash_has_a_number_of_its_own(self):
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        operation = self.root.attach(ADDRESS)
        until(lambda: self.machine.functions()['0000:01:00.1']['driver'] != 'snd_hda_intel', what='half an attach')
        self.machine.kill('clear')
        self.machine.start()
        recovery = self.operation()
        self.assertEqual(self.root.get(recovery, OPERATION, 'Kind'), 'recover')
        self.assertNotEqual(recovery, operation)
        self.assertEqual(self.root.error(self.root.get, operation, OPERATION, 'State'), 'UnknownObject')
        self.assertEqual(self.root.finish(recovery)[0], 'succeeded')

    def test_the_gpus_new_state_is_told_before_its_operations(self):
        operation = self.root.attach(ADDRESS)
        self.root.bus.wait(lambda: self.told_of(operation)[-1].member == 'Finished', 10, 'Finished')
        states = [(s.body[0].rpartition('.')[2], s.body[1]['State'].value) for s in self.root.bus.signals
                  if s.member == 'PropertiesChanged' and 'State' in s.body[1]]
        self.assertEqual(states, [('Gpu', 'changing'), ('Gpu', 'vm'), ('Operation', 'succeeded')])

    def test_who_leaves_after_the_answer_gets_it_done(self):
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        bob = self.client('bob')
        operation = bob.attach(ADDRESS)
        owner = bob.bus.name
        bob.close()
        until(lambda: not self.root.bus.owner(owner), what='the end of that caller')
        self.assertEqual(self.root.get(operation, OPERATION, 'State'), 'running')
        self.machine.fake('clear')
        self.assertEqual(self.root.finish(operation), ('succeeded', '', ''))

    def test_a_release_that_finishes_what_an_earlier_operation_could_not_is_its_callers(self):
        for driver, function in (('vfio-pci', ADDRESS), ('nvidia', ADDRESS)):
            self.machine.fake(f'probe-error {driver} {function} EBUSY')
        state, error, _ = self.root.finish(self.root.attach(ADDRESS))
        self.assertEqual((state, error), ('failed', 'org.gpuctl1.Error.RollbackFailed'))
        until(lambda: [i[OPERATION]['State'].value for i in self.root.objects().values()
                       if OPERATION in i and i[OPERATION]['Kind'].value == 'recover'] == ['failed'], what='a recovery that fails')
        for driver, function in (('vfio-pci', ADDRESS), ('nvidia', ADDRESS)):
            self.machine.fake(f'probe-error {driver} {function} 0')
        self.machine.fake('block bus/pci/drivers_probe')
        bob = self.client('bob')
        operation = bob.release(ADDRESS)
        self.assertEqual((bob.get(operation, OPERATION, 'Kind'), bob.get(operation, OPERATION, 'StartedBy')),
                         ('recover', self.machine.uids['bob']))
        self.assertIsNone(bob.error(bob.cancel, operation))
        self.machine.fake('clear')


if __name__ == '__main__':
    unittest.main()
