# SPDX-License-Identifier: GPL-2.0-or-later
"""Sleep while a GPU is on its way, and what is true afterwards."""
import json
import os
import pathlib
import signal
import unittest

from case import BusTest
from fake_login1 import FakeLogin1
from machine import GPU, MANAGER, OPERATION, ROOT, SERVICE, WORK, until

NVIDIA = '/org/gpuctl1/gpus/0000_01_00'
ASSIGNMENT = WORK / 'state' / 'assignments' / '0000:01:00.json'
BOOT = pathlib.Path('/proc/sys/kernel/random/boot_id')
RUNS = '6695eb01-f6a4-8304-79aa-97f2502e193f'  # of the domain `test` of libvirt's test:///default, which runs


class Sleep(BusTest):
    def setUp(self):
        super().setUp()
        self.login = FakeLogin1()
        self.addCleanup(self.login.close)

    def test_the_machine_is_kept_awake_while_an_operation_runs_and_no_longer(self):
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        bob = self.client('bob')
        operation = bob.attach('0000:01:00.0')
        until(lambda: self.login.held() == [('sleep:handle-lid-switch', 'gpuctl', 'block')], what='a lock against sleep')
        self.machine.fake('clear')
        self.assertEqual(bob.finish(operation)[0], 'succeeded')
        until(lambda: not self.login.held(), what='the end of the lock')

    def test_while_what_the_next_boot_needs_is_written_it_is_not_shut_down_either(self):
        root = self.client()
        systemd = self.machine.systemd
        systemd.send_signal(signal.SIGSTOP)
        self.addCleanup(systemd.send_signal, signal.SIGCONT)
        serial = root.bus.send_call(SERVICE, ROOT, 'org.gpuctl1.Host', 'SetBootPolicy', 'ssa{sv}', ['0000:01:00.0', 'vm', {}])
        until(lambda: self.login.held() == [('shutdown:sleep:handle-lid-switch', 'gpuctl', 'block')], what='a lock')
        self.assertNotIn(serial, root.bus.replies)
        systemd.send_signal(signal.SIGCONT)
        root.bus.reply(serial, 30)
        until(lambda: not self.login.held(), what='the end of the lock')
        root.bus.call(SERVICE, ROOT, 'org.gpuctl1.Host', 'SetBootPolicy', 'ssa{sv}', ['0000:01:00.0', 'clear', {}])

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

    def given_away(self, uuid=RUNS, **more):
        """Recorded as in use by a domain."""
        ASSIGNMENT.parent.mkdir(parents=True, exist_ok=True)
        ASSIGNMENT.write_text(json.dumps({
            'gpu': '0000:01:00', 'functions': ['0000:01:00.0', '0000:01:00.1'], 'vm_uuid': uuid, 'vm_name': 'test',
            'uid': 0, 'since': 1, 'keep': False, 'running': True, 'returning': False, 'lease_only': False,
            'displaced': [], **more}))

    def recorded(self):
        return json.loads(ASSIGNMENT.read_text()) if ASSIGNMENT.exists() else {}

    def start_with(self, **more):
        self.machine.stop()
        self.given_away(**more)
        self.machine.start()
        return self.client()

    def test_a_domain_of_another_boot_keeps_nothing_awake_and_is_not_asked_for(self):
        client = self.start_with(boot_id='another')
        self.assertFalse(self.recorded()['running'])
        self.start_with(boot_id='another', lease_only=True)
        self.assertFalse(ASSIGNMENT.exists())
        self.assertFalse(client.get(ROOT, MANAGER, 'Busy') or self.login.asked)

    def test_a_gpu_on_the_host_keeps_nothing_awake_whatever_is_recorded_of_it(self):
        client = self.start_with(boot_id=BOOT.read_text().strip())
        self.assertEqual(client.state(), 'host')
        self.machine.fake('unplug 0000:01:00.0')
        until(lambda: NVIDIA not in client.gpus(), what='the end of the GPU')
        self.assertEqual(self.login.asked, [])

    def test_what_is_recorded_of_a_domain_that_has_ended_is_put_right_also_with_the_gpu_at_home(self):
        self.start_with(uuid='5a3f2c1e-9d8b-4c7a-8e6f-0123456789ab')
        until(lambda: not ASSIGNMENT.exists(), what='the end of the assignment')
        self.assertEqual(self.login.asked, [])

    def handed_over(self):
        """The moment when the GPU that was on its way is in use, while logind takes its time."""
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        client = self.client()
        operation = client.attach('0000:01:00.0')
        until(lambda: len(self.login.held()) == 1, what='a lock against sleep')
        self.given_away()
        return client, operation

    def test_from_one_reason_to_the_next_there_is_no_gap(self):
        client, operation = self.handed_over()
        self.login.silent = True
        self.machine.fake('clear')
        self.assertEqual(client.finish(operation)[0], 'succeeded')
        until(lambda: len(self.login.asked) == 2, what='the next question')
        self.assertEqual(len(self.login.held()), 1)
        self.machine.fake('block bus/pci/drivers/vfio-pci/unbind')
        back = client.release('0000:01:00.0')  # the reason changes again before there is an answer
        until(lambda: len(self.login.asked) == 3, what='the question after that')
        self.assertEqual(self.login.asked[0], self.login.asked[2])
        self.assertEqual(len(self.login.held()), 1)
        self.login.answer()
        until(lambda: len(self.login.locks) == 3, what='the answers')
        until(lambda: len(self.login.held()) == 1, what='one lock')
        self.machine.fake('clear')
        self.assertEqual(client.finish(back)[0], 'succeeded')
        until(lambda: not self.login.held(), what='the end of the lock')

    def test_a_lock_that_logind_refuses_costs_no_other(self):
        client, operation = self.handed_over()
        self.login.refuses = True
        self.machine.fake('clear')
        self.assertEqual(client.finish(operation)[0], 'succeeded')
        until(lambda: len(self.login.asked) == 2, what='the next question')
        client.state()
        self.assertEqual(len(self.login.held()), 1)
        self.assertEqual(client.finish(client.release('0000:01:00.0'))[0], 'succeeded')
        until(lambda: not self.login.held(), what='the end of the lock')

    def test_logind_that_refuses_a_lock_is_asked_again(self):
        self.login.refuses = True
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        client = self.client()
        operation = client.attach('0000:01:00.0')
        until(lambda: self.login.asked, what='a question')
        client.state()
        self.login.refuses = False
        until(lambda: len(self.login.held()) == 1, what='a lock against sleep')
        self.machine.fake('clear')
        self.assertEqual(client.finish(operation)[0], 'succeeded')

    def test_nothing_is_started_while_the_machine_goes_to_sleep(self):
        bob = self.client('bob')
        self.login.prepare_for_sleep(True)
        self.assertEqual(bob.error(bob.attach, '0000:01:00.0'), 'Busy')
        self.assertIn('sleep', bob.last_message)
        self.assertEqual(self.machine.writes(), [])
        self.login.prepare_for_sleep(False)
        self.assertEqual(bob.finish(bob.attach('0000:01:00.0'))[0], 'succeeded')

    def test_what_waits_for_programs_to_let_go_when_sleep_comes_is_not_begun(self):
        bob, program = self.client('bob'), self.client('alice')
        program.manager('Inhibit', 'ss', 'a program', 'a test')
        serial = bob.bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', ['0000:01:00.0', '', {}])
        until(lambda: any(OPERATION in i for i in program.objects().values()), what='an operation')
        self.login.prepare_for_sleep(True)
        program.bus.close_fds()
        state, error, message = bob.finish(bob.bus.reply(serial)[0])
        self.assertEqual((state, error), ('cancelled', 'org.gpuctl1.Error.Cancelled'))
        self.assertIn('sleep', message)
        self.assert_untouched()

    def test_what_a_crash_left_is_put_right_after_the_sleep(self):
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        client = self.client()
        operation = client.attach('0000:01:00.0')
        until(lambda: self.machine.functions()['0000:01:00.1']['driver'] != 'snd_hda_intel', what='half an attach')
        self.login.prepare_for_sleep(True)
        workers = pathlib.Path(f'/proc/{self.machine.daemon.pid}/task/{self.machine.daemon.pid}/children').read_text().split()
        for worker in workers:
            os.kill(int(worker), signal.SIGKILL)
        self.machine.fake('clear')
        self.assertEqual(client.finish(operation)[0], 'failed')
        self.machine.fake('unplug 0000:00:02.0')  # devices change
        until(lambda: len(client.gpus()) == 1, what='that change')
        self.machine.fake('plug 0000:00:02.0')
        until(lambda: len(client.gpus()) == 2, what='that change')
        self.assertNotIn('recover', [i[OPERATION]['Kind'].value for i in client.objects().values() if OPERATION in i])
        self.login.prepare_for_sleep(False)
        until(lambda: client.state() == 'host', what='the GPU at home')
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')

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
