# SPDX-License-Identifier: GPL-2.0-or-later
"""gpuctld starts no program, and writes below its own two directories alone."""
import unittest

from case import BusTest
from dbus_wire import DBusError
from machine import WORK, run

GPU = '0000:01:00.0'
CALLS = WORK / 'programs'


class Programs(BusTest):
    def do_everything(self):
        root = self.client()
        for verb in ('attach', 'release'):
            self.assertEqual(root.finish(getattr(root, verb)(GPU), 60)[0], 'succeeded')
        for member, signature, *body in (('Check', 'ssa{sv}', GPU, 'test', {}), ('ListUsers', 's', GPU), ('ListVms', ''), ('ReadRom', 'sa{sv}', GPU, {})):
            try:
                root.manager(member, signature, *body)
            except DBusError as error:
                self.assertTrue(error.name.startswith('org.gpuctl1.Error.'), error)

    def test_it_executes_nothing_but_itself(self):
        self.machine.stop()
        self.machine.start(prefix=('strace', '-D', '-f', '-qq', '-e', 'trace=execve,execveat', '-o', CALLS))
        self.do_everything()
        self.assertEqual(self.machine.stop(), 0)
        executed = [line for line in CALLS.read_text().splitlines() if 'execve' in line]
        self.assertEqual(len(executed), 1, executed)

    def test_it_leaves_no_file_outside_its_directories(self):
        mark = WORK / 'mark'
        mark.touch()
        self.do_everything()
        # what others write below /var and /tmp meanwhile is nobody's here
        found = run('find', '/etc', '/usr/share', '/run', '-xdev', '-newer', mark, '!', '-type', 'd').split('\n')
        ours = ('/run/gpuctl/', str(WORK) + '/', '/run/dbus/')
        self.assertEqual([path for path in found if path and not path.startswith(ours)], [])


if __name__ == '__main__':
    unittest.main()
