# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped gpuctl as a program: its descriptors, its process group, and a daemon that ends beside it."""
import os
import pathlib
import signal
import subprocess
import unittest

from case import BusTest
from machine import BUILD, OPERATION, WORK, until

GPUCTL = BUILD / 'cli' / 'gpuctl'
ADDRESS = '0000:01:00.0'
PIPES = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}


class Commands(BusTest):
    def begin(self, *arguments, **options):
        child = subprocess.Popen([GPUCTL, *arguments], start_new_session=True, **{**PIPES, **options})
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def waits_for_signals(self, child):
        status = pathlib.Path(f'/proc/{child.pid}/status').read_text()
        blocked = int(next(line for line in status.splitlines() if line.startswith('SigBlk')).split()[1], 16)
        return blocked & (1 << (signal.SIGINT - 1))


class Program(Commands):
    def test_what_is_closed_of_its_standard_files_becomes_nothing_else(self):
        for closed in ([0], [1], [0, 1, 2]):
            child = self.begin('monitor', preexec_fn=lambda: [os.close(fd) for fd in closed])
            until(lambda: self.waits_for_signals(child), what='a monitor')
            self.assertEqual([os.readlink(f'/proc/{child.pid}/fd/{fd}') for fd in closed], ['/dev/null'] * len(closed))

    def test_with_its_output_closed_it_fails(self):
        child = self.begin('list', preexec_fn=lambda: os.close(1))
        self.assertEqual(child.communicate(timeout=20)[1], 'gpuctl: the output cannot be written.\n')
        self.assertEqual(child.returncode, 1)

    def test_monitor_goes_on_when_the_daemon_stops_with_operations_listed(self):
        root = self.client()
        root.finish(root.attach(ADDRESS))
        monitor = self.begin('monitor', stdout=open(WORK / 'monitor.out', 'wb'))
        told = lambda: (WORK / 'monitor.out').read_text()
        until(lambda: self.waits_for_signals(monitor), what='a monitor')
        until(lambda: root.finish(root.release(ADDRESS)) and 'operation-finished' in told() or not root.finish(root.attach(ADDRESS)),
              what='a monitor that listens')
        self.machine.stop()
        until(lambda: 'daemon-gone' in told(), what='word of the end')
        self.machine.start()
        until(lambda: told().rfind('gpu-added') > told().rfind('daemon-gone'), what='word of the new start')
        self.assertNotIn('gpu-removed', told())
        self.assertIsNone(monitor.poll())
        monitor.send_signal(signal.SIGINT)
        self.assertEqual(monitor.wait(10), 0)


class Remote(Commands):
    """Through an ssh that goes no further than this machine."""

    def setUp(self):
        super().setUp()
        ssh = WORK / 'bin' / 'ssh'
        ssh.parent.mkdir(exist_ok=True)
        ssh.write_text(f'#!/bin/sh\necho $$ >> {WORK}/ssh.log\nexec systemd-stdio-bridge\n')
        ssh.chmod(0o755)
        self.environment = {**os.environ, 'PATH': f'{ssh.parent}:/usr/bin:/bin'}
        (WORK / 'ssh.log').write_text('')

    def connections(self):
        return (WORK / 'ssh.log').read_text().split()

    def test_ctrl_c_cancels_though_it_ends_the_ssh_too(self):
        self.machine.fake('block bus/pci/drivers/nvidia/unbind')
        child = self.begin('--host', 'there', 'attach', '--gpu', ADDRESS, env=self.environment)
        root = self.client()
        operation = until(lambda: next((p for p, i in root.objects().items() if OPERATION in i and
                                        i[OPERATION]['Steps'].value), None), what='an operation with its plan')
        until(lambda: self.machine.functions()['0000:01:00.1']['driver'] != 'snd_hda_intel', what='half an attach')
        until(lambda: self.waits_for_signals(child), what='a gpuctl that follows')
        cancels = self.machine.questions('Cancel')
        self.addCleanup(cancels.close)
        os.killpg(child.pid, signal.SIGINT)
        cancels.wait(lambda: cancels.calls, 10, 'a cancel')
        self.assertEqual(len(self.connections()), 2)
        self.assertEqual(root.get(operation, OPERATION, 'State'), 'running')  # answered after that call came in
        self.machine.fake('clear')
        state, error, _ = root.finish(operation)
        self.assertEqual((state, error), ('cancelled', 'org.gpuctl1.Error.Cancelled'))
        self.assertEqual(child.wait(20), 1)
        self.assertIn('cancelled\tattach', child.stdout.read())
        self.assert_drivers(gpu='nvidia', audio='snd_hda_intel')


if __name__ == '__main__':
    unittest.main()
