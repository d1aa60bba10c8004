# SPDX-License-Identifier: GPL-2.0-or-later
"""What is left of a card when the tool that moves it is killed: ours and theirs in the emulated laptop."""
import json
import pathlib
import sys

from measured import Row

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'vm'))
from lab import package, snapshots  # noqa: E402
from lab.machine import Machine  # noqa: E402


def counted(moments, deb):
    with Machine() as laptop:
        laptop.restore(snapshots.installed(deb))
        laptop.plug('nvidia')
        laptop.run('udevadm settle -t 30')
        laptop.shell.put(HERE / 'killed_in_laptop.py', '/tmp/killed_in_laptop.py')
        return json.loads(laptop.run(f'python3 /tmp/killed_in_laptop.py {moments}', timeout=3600))


def rows(runs, deb=None):
    """One kill for each of RUNS moments on the way out, and as many on the way back."""
    counts = counted(runs, pathlib.Path(deb) if deb else package.path())
    found = [Row(f'{2 * runs} kills (-9) on the way to VFIO and back: whole afterwards', 'times',
                 {tool: [count.get('whole', 0)] for tool, count in counts.items()}, [('R1', None, -2 * runs)])]
    for what in sorted({what for count in counts.values() for what in count} - {'whole'}):
        found.append(Row(f'{2 * runs} kills (-9): {what}', 'times',
                         {tool: [count.get(what, 0)] for tool, count in counts.items()}, [('R1', None, 0)]))
    return found
