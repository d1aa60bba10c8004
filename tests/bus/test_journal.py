# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal of the running daemon: where it cannot be written nothing else is, and what is damaged is moved aside."""
import json
import pathlib
import signal
import unittest

from case import BusTest
from machine import GPU, MANAGER, ROOT, SERVICE, WORK, run, until
from test_names import NODE, NVIDIA, UUID

JOURNAL = pathlib.Path('/run/gpuctl/journal')


DOMAIN = '<domain type="kvm"><name>win11</name><uuid>5a3f2c1e-9d8b-4c7a-8e6f-0123456789ab</uuid><devices>{}</devices></domain>'.format(
    ''.join(f'<hostdev mode="subsystem" type="pci" managed="no"><source><address domain="0x0000" bus="0x01" slot="0x00" '
            f'function="0x{function}"/></source></hostdev>' for function in (0, 1)))


class Unwritable(BusTest):
    def over(self, directory, *mount):
        self.machine.stop()
        directory.mkdir(parents=True, exist_ok=True)
        run('mount', *mount, directory)
        self.addCleanup(run, 'umount', '-l', directory)
        self.machine.start()

    def over_the_journal(self, *mount):
        self.over(JOURNAL, *mount)
        self.machine.fake('forget')

    def refused(self):
        root = self.client()
        state, error, message = root.finish(root.attach('0000:01:00.0'))
        self.assertEqual((state, error), ('failed', 'org.gpuctl1.Error.StateUnwritable'))
        self.assertIn('journal', message)
        self.assert_untouched()

    def test_with_a_full_disk_nothing_is_begun(self):
        self.over_the_journal('-t', 'tmpfs', '-o', 'size=4k', 'tmpfs')
        (JOURNAL / '.filler').write_bytes(b'x' * 4096)
        self.refused()

    def test_on_a_read_only_file_system_nothing_is_begun(self):
        self.over_the_journal('-t', 'tmpfs', '-o', 'ro', 'tmpfs')
        self.refused()


    def test_a_domain_whose_lease_cannot_be_written_does_not_start_and_its_gpu_goes_home(self):
        self.over(WORK / 'state' / 'assignments', '-t', 'tmpfs', '-o', 'ro', 'tmpfs')
        root = self.client()
        prepare = lambda: root.bus.call(SERVICE, ROOT, 'org.gpuctl1.Vms', 'PrepareDomain', 'ssa{sv}', ['win11', DOMAIN, {}])
        self.assertEqual(root.error(prepare), 'StateUnwritable')
        until(lambda: root.state() == 'host', what='the GPU at home')
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')


class Damaged(BusTest):
    def start_with(self, contents):
        self.machine.stop()
        JOURNAL.mkdir(parents=True, exist_ok=True)
        (JOURNAL / '0000:01:00').write_bytes(contents)
        self.machine.fake('forget')
        self.machine.start()

    def test_garbage_and_a_truncated_journal_are_moved_aside_and_reported(self):
        for contents in (b'\0\xff garbage \n' * 50, b'', b'{"n":0,"header":{"operation":"att'):
            with self.subTest(contents=contents[:20]):
                self.start_with(contents)
                self.assertIn('damaged', self.machine.log_text())
                self.assertEqual([p.name for p in JOURNAL.iterdir() if 'corrupt' not in p.name], [])
                self.assert_untouched()
                root = self.client()
                self.assertEqual(root.finish(root.attach('0000:01:00.0'))[0], 'succeeded')
                self.assertEqual(root.finish(root.release('0000:01:00.0'))[0], 'succeeded')
                self.machine.fresh()
                self.machine.start()


class Assigned(BusTest):
    """gpuctld is killed while a VM gets the GPU, and later puts all right."""

    def setUp(self):
        super().setUp()
        self.restart_with_domains(NODE)
        self.file = WORK / 'state' / 'assignments' / '0000:01:00.json'

    def killed_half_way(self):
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        self.client().attach('0000:01:00.0', UUID)
        until(lambda: self.machine.functions()['0000:01:00.1']['driver'] != 'snd_hda_intel', what='half an attach')
        self.assertEqual(json.loads(self.file.read_text())['vm_name'], 'win11')
        self.machine.stop(signal.SIGKILL)
        self.machine.fake('clear')
        self.machine.start()
        client = self.client()
        until(lambda: client.state() == 'host', what='the GPU at home')
        until(lambda: not client.get(ROOT, MANAGER, 'Busy'), what='the end of the recovery')
        return client

    def test_the_vm_that_did_not_get_it_has_it_no_more(self):
        client = self.killed_half_way()
        self.assertFalse(self.file.exists())
        until(lambda: client.get(NVIDIA, GPU, 'Vm') == '', what='a GPU without a VM')

    def test_what_was_recorded_before_is_in_force_again(self):
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps({
            'gpu': '0000:01:00', 'functions': ['0000:01:00.0', '0000:01:00.1'], 'vm_uuid': UUID,
            'vm_name': 'win11', 'uid': 0, 'since': 1, 'keep': True, 'running': False, 'lease_only': False}))
        self.killed_half_way()
        recorded = json.loads(self.file.read_text())
        self.assertEqual((recorded['since'], recorded['keep'], recorded['unsettled']), (1, True, False))

    def test_what_has_come_to_its_end_is_settled(self):
        client = self.client()
        self.assertEqual(client.finish(client.attach('0000:01:00.0', UUID))[0], 'succeeded')
        self.assertFalse(json.loads(self.file.read_text())['unsettled'])


if __name__ == '__main__':
    unittest.main()
