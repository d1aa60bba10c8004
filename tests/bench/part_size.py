# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes of the programs, stripped, beside others on this machine."""
import os
import pathlib
import shutil
import subprocess
import tempfile

from measured import Row


def stripped(path):
    with tempfile.NamedTemporaryFile() as copy:
        subprocess.run(['strip', '-o', copy.name, path], check=True)
        return os.stat(copy.name).st_size / 1e6


def others(*names):
    found = {name: shutil.which(name) or name for name in names}
    return {pathlib.Path(name).name: [os.stat(path).st_size / 1e6] for name, path in found.items() if os.path.exists(path)}


def rows(runs, build):
    return [Row('size of the daemon, stripped', 'MB', {'gpuctld': [stripped(build / 'daemon/gpuctld')],
                                                       **others('/usr/sbin/libvirtd', '/usr/lib/polkit-1/polkitd')}, [('P9', None, 1.5)]),
            Row('size of the command, stripped', 'MB', {'gpuctl': [stripped(build / 'cli/gpuctl')], **others('virsh', 'lspci')},
                [('P9', None, 0.8)])]
