# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds a device: gpuctl's scan beside fuser and lsof."""
import json
import shutil
import subprocess

from measured import Row

OTHERS = ('fuser', 'lsof')


def rows(runs, build):
    found = []
    said = subprocess.run([build / 'tests/bench/bench_holders', str(runs), '--json'], check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in said.splitlines():
        crowd = json.loads(line)
        for tool in filter(lambda tool: not shutil.which(tool), OTHERS):
            crowd['wall'][tool] = crowd['missed'][tool] = []
        work = f'who holds a device, {crowd["processes"]:,} × {crowd["descriptors"]} descriptors'
        found.append(Row(work, 'ms', crowd['wall'], [('P5', 'fuser', 0.8), ('P5', 'lsof', 0.2)]))
        found.append(Row(work + ': missed holders', '', crowd['missed'], [('P5', None, 0)]))
    return found
