# SPDX-License-Identifier: GPL-2.0-or-later
"""What is left of a card when the tool that moves it is killed, or refused a write: ours and theirs in the emulated laptop."""
import json
import pathlib
import shlex
import sys

from measured import Row

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'vm'))
from lab import package, snapshots  # noqa: E402
from lab.machine import Machine  # noqa: E402

ERRNOS = ['EBUSY', 'ENODEV', 'EINVAL', 'EIO', 'ENOMEM', 'EACCES', 'EINTR']
WORDS = {'killed': ('R1', '`kill -9` at each write to sysfs on the way to VFIO and home'),
         'refused': ('R2', 'each write to sysfs refused with {}')}


def counted(errnos, deb):
    with Machine() as laptop:
        laptop.restore(snapshots.installed(deb))
        laptop.plug('nvidia')
        laptop.run('udevadm settle -t 30')
        laptop.shell.put(HERE / 'faults_in_laptop.py', '/tmp/faults_in_laptop.py')
        return json.loads(laptop.run(f'python3 /tmp/faults_in_laptop.py {shlex.join(errnos)}', timeout=4 * 3600))


def share(counts, what):
    """Percent: the tools have different numbers of writes."""
    return {tool: [100 * count.get(what, 0) / sum(count.values())] for tool, count in counts.items()}


def rows_of(fault, counts, errnos):
    goal, words = WORDS[fault]
    times = ', '.join(f'{tool} {sum(count.values())}' for tool, count in counts.items())
    work = f'{words.format(", ".join(errnos))}, emulated laptop ({times} times)'
    found = [Row(f'{work}: card whole afterwards', '%', share(counts, 'whole'), [(goal, None, -100)])]
    for what in sorted({what for count in counts.values() for what in count} - {'whole'}):
        found.append(Row(f'{work}: {what}', '%', share(counts, what), [(goal, None, 0)]))
    return found


def rows(runs, deb=None):
    """Each write of the way to VFIO and of the way home, each errno; fewer than seven runs: as many errnos."""
    errnos = ERRNOS[:runs]
    counts = counted(errnos, pathlib.Path(deb) if deb else package.path())
    return [row for fault in WORDS for row in rows_of(fault, counts[fault], errnos)]
