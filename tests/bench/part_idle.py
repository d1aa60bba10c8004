# SPDX-License-Identifier: GPL-2.0-or-later
"""An idle service: memory, threads, wake-ups in a minute; beside the daemons it works with."""
import pathlib
import time

from measured import Row
from tree_machine import TreeMachine

MINUTE = 60


def memory(pid):
    text = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()[1:]
    found = dict(line.split(':') for line in text)
    return {name: int(found[name].split()[0]) / 1000 for name in ('Rss', 'Pss')}


def switches(pid):
    text = pathlib.Path(f'/proc/{pid}/status').read_text().splitlines()
    return sum(int(line.split()[1]) for line in text if 'ctxt_switches' in line)


def threads(pid):
    return len(list(pathlib.Path(f'/proc/{pid}/task').iterdir()))


def rows(runs, build):
    machine, found, at_start = TreeMachine('10'), [], {}
    for count in (10, 10000):
        machine.with_functions(count)
        machine.client().objects()
        time.sleep(5)  # what is only needed at first has gone
        at_start[count] = memory(machine.daemon.pid)
        if count == 10:
            pids = {'gpuctld': machine.daemon.pid, 'polkitd': machine.polkitd.pid, 'dbus-daemon': machine.children[0].pid}
            before = {name: switches(pid) for name, pid in pids.items()}
            time.sleep(MINUTE)
            woken = {name: [switches(pid) - before[name]] for name, pid in pids.items()}
            found.append(Row(f'context switches in {MINUTE} s idle', '', woken, [('P6', None, 1)]))
            found.append(Row('threads, idle', '', {name: [threads(pid)] for name, pid in pids.items()}, [('P7', None, 1)]))
            for kind, limit in (('Rss', 6.5), ('Pss', 3.5)):
                found.append(Row(f'{kind.upper()} idle, 10 functions', 'MB', {name: [memory(pid)[kind]] for name, pid in pids.items()},
                                 [('P7', None, limit)]))
    more = at_start[10000]['Rss'] - at_start[10]['Rss']
    found.append(Row('RSS more with 10,000 functions', 'MB', {'gpuctld': [more]}, [('P7', None, 2)]))
    machine.close()
    return found
