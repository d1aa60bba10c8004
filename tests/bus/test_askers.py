# SPDX-License-Identifier: GPL-2.0-or-later
"""Who has asked for an operation: leaves before the answer, leaves after it, cancels, or releases what a failure left."""
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
        bob.bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', [ADDRESS, '', {}])
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
