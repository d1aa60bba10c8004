# SPDX-License-Identifier: GPL-2.0-or-later
"""The bus tests' machine with a plain tree of files at /sys, for work that only reads."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'bus'))
from machine import WORK, Machine, run  # noqa: E402

import fake_tree  # noqa: E402


class TreeMachine(Machine):
    def load(self, name):
        """NAME: how many functions."""
        self.name, self.control = name, WORK / 'no.control'
        if getattr(self, 'mounted', False):
            run('umount', '-l', '/sys/fs/cgroup')
            run('umount', '-l', '/sys')
        run('mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/sys')
        self.mounted = True
        fake_tree.build('/sys', int(name))
        run('mount', '--rbind', WORK / 'cgroups', '/sys/fs/cgroup')

    def fake(self, command):
        return {}

    def with_functions(self, count):
        """The daemon, ready, on a machine with COUNT functions."""
        if self.daemon:
            self.stop()
        self.load(str(count))
        return self.start()
