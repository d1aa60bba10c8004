# SPDX-License-Identifier: GPL-2.0-or-later
"""Sleep while a GPU is on its way, and what is true afterwards."""
import unittest

from case import BusTest
from fake_login1 import FakeLogin1
from machine import GPU, MANAGER, ROOT, SERVICE, until

NVIDIA = '/org/gpuctl1/gpus/0000_01_00'


class Sleep(BusTest):
    def setUp(self):
        super().setUp()
        self.login = FakeLogin1()
        self.addCleanup(self.login.close)

    def test_the_machine_is_kept_awake_while_an_operation_runs_and_no_longer(self):
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        bob = self.client('bob')
        operation = bob.attach('0000:01:00.0')
        until(lambda: self.login.held() == [('sleep', 'gpuctl', 'block')], what='a lock against sleep')
        self.machine.fake('clear')
        self.assertEqual(bob.finish(operation)[0], 'succeeded')
        until(lambda: not self.login.held(), what='the end of the lock')

    def test_a_refusal_after_all_does_not_keep_it_awake(self):
        self.machine.freeze()
        questions, bob = self.machine.questions(), self.client('bob')
        self.addCleanup(questions.close)
        serial = bob.bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', ['0000:01:00.0', '', {}])
        questions.wait(lambda: questions.calls, 10, 'a question to polkit')
        self.machine.fake('dead 0000:01:00.0 1')
        self.addCleanup(self.machine.fake, 'dead 0000:01:00.0 0')
        self.machine.thaw()
        self.assertEqual(bob.error(bob.bus.reply, serial), 'Blocked')
        until(lambda: self.login.locks, what='a lock against sleep')
        until(lambda: not self.login.held(), what='the end of the lock')

    def test_nothing_is_started_while_the_machine_goes_to_sleep(self):
        bob = self.client('bob')
        self.login.prepare_for_sleep(True)
        self.assertEqual(bob.error(bob.attach, '0000:01:00.0'), 'Busy')
        self.assertIn('sleep', bob.last_message)
        self.assertEqual(self.machine.writes(), [])
        self.login.prepare_for_sleep(False)
        self.assertEqual(bob.finish(bob.attach('0000:01:00.0'))[0], 'succeeded')

    def test_a_card_that_did_not_survive_the_sleep_is_seen_at_once(self):
        bob = self.client('bob')
        self.login.prepare_for_sleep(True)
        self.machine.fake('dead 0000:01:00.0 1')
        self.addCleanup(self.machine.fake, 'dead 0000:01:00.0 0')
        self.login.prepare_for_sleep(False)

        def gone():
            return [p['id'].value for p in bob.get(NVIDIA, GPU, 'Problems') if p['id'].value == 'gpu-gone']
        until(gone, what='the problem that the card has gone')


if __name__ == '__main__':
    unittest.main()
