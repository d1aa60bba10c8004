# SPDX-License-Identifier: GPL-2.0-or-later
"""Listing: gpuctl beside lspci and a plain reader, at 10, 1,000 and 10,000 functions of a fake /sys."""
import shutil
import subprocess

from measured import Row, in_turns, spawn
from tree_machine import TreeMachine

SLOW = 1000  # driverctl needs 17 ms and more for each function


def enumeration(build):
    found = subprocess.run([build / 'tests/bench/bench_enumeration', '1'], check=True, capture_output=True, text=True)
    return float(found.stdout)


def rows(runs, build):
    machine, found = TreeMachine('10'), []
    gpuctl, reader = str(build / 'cli/gpuctl'), str(build / 'tests/bench/bench_plain_reader')
    for count in (10, 1000, 10000):
        machine.with_functions(count)
        tools = {'gpuctl list': lambda: spawn([gpuctl, 'list']), 'lspci -nnk': lambda: spawn(['lspci', '-nnk']),
                 'plain reader': lambda: spawn([reader])}
        if shutil.which('driverctl') and count < SLOW:
            tools['driverctl list-devices'] = lambda: spawn(['driverctl', 'list-devices'])
        goals = {10: [('P1', None, 12), ('P1', 'lspci -nnk', 0.5), ('P1', 'driverctl list-devices', 0.1)]}
        found.append(Row(f'list, {count} functions', 'ms', in_turns(tools, runs), goals.get(count, [('P1', 'lspci -nnk', 1.0)])))
        everything = {'gpuctl groups --all': lambda: spawn([gpuctl, 'groups', '--all']), 'lspci -nnk': tools['lspci -nnk']}
        found.append(Row(f'every function with its group, {count} functions', 'ms', in_turns(everything, runs),
                         [('P1', 'lspci -nnk', 1.0)] if count == 1000 else []))
        floor = {'daemon': lambda: enumeration(build), 'plain reader': lambda: spawn([reader])}
        found.append(Row(f'full enumeration, {count} functions', 'ms', in_turns(floor, runs), [('P3', 'plain reader', 1.3)]))
    machine.close()
    return found
