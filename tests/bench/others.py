# SPDX-License-Identifier: GPL-2.0-or-later
"""The services that virsh and switcherooctl ask, on the tree at /sys; none where they are not installed."""
import os
import pathlib
import shutil
import subprocess
import sys

from tree_machine import WORK
from machine import until  # noqa: E402 - tree_machine makes it importable

NODE_DEVICES = 'nodedev:///system'
SWITCHEROO = '/usr/libexec/switcheroo-control'


def quiet(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


class Others:
    """In `with`, started anew: they read /sys when they start."""
    def __init__(self, machine):
        self.machine, self.children = machine, []

    def __enter__(self):
        if shutil.which('libvirtd') and shutil.which('virsh'):
            quiet('useradd', '-rUM', 'libvirt-qemu')  # libvirtd does not start without; the package with its settings makes it
            self.start('libvirtd')
            self.wait(lambda: quiet('virsh', '-q', '-c', NODE_DEVICES, 'nodedev-list') == 0, 300, 'libvirtd')
        if os.path.exists(SWITCHEROO):
            self.start(SWITCHEROO)
            self.wait(lambda: self.machine.root.owner('net.hadess.SwitcherooControl'), 60, 'switcheroo-control')
        return self

    def start(self, program):
        plain_files = {**os.environ, 'SYSTEMD_DEVICE_VERIFY_SYSFS': '0'}  # libudev else wants a sysfs at /sys
        with open(WORK / f'{pathlib.Path(program).name}.log', 'ab') as log:
            self.children.append(subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=plain_files))

    @staticmethod
    def wait(condition, timeout, what):
        """What does not come up has no figures."""
        try:
            until(condition, timeout, what)
        except TimeoutError as error:
            print(error, file=sys.stderr, flush=True)

    def __exit__(self, *_):
        for child in self.children:
            child.kill()
            child.wait()
