# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things are, and two helpers that everything on the machine uses."""
import os
import pathlib
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get('GPUCTL_BUILD', SOURCE / 'build' / 'debug'))
WORK = pathlib.Path('/run/machine')


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def until(condition, timeout=30, what='condition'):
    """Polls what offers no event to wait for: a foreign process' file or name."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f'{what} did not come true in {timeout} s')
        time.sleep(0.01)
    return value
