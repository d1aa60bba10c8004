# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds a device: gpuctl's scan beside fuser and lsof."""
import json
import subprocess

from measured import Row


def rows(runs, build):
    found = []
    # its exit status is the goals', which are judged here
    said = subprocess.run([build / 'tests/bench/bench_holders', str(runs), '--json'], capture_output=True, text=True).stdout
    for line in said.splitlines():
        crowd = json.loads(line)
        work = f'who holds a device, {crowd["processes"]:,} × {crowd["descriptors"]} descriptors'
        found.append(Row(work, 'ms', crowd['wall'], [('P5', 'fuser', 0.8), ('P5', 'lsof', 0.2)]))
        found.append(Row(work + ': missed holders', '', crowd['missed'], [('P5', None, 0)]))
    return found
