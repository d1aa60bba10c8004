# SPDX-License-Identifier: GPL-2.0-or-later
"""Listing: gpuctl beside what lists today, and its daemon's inventory beside a plain reader, at 10, 1,000 and 10,000 functions
of a fake /sys, which has no DRM devices: switcherooctl sees no GPU there."""
import subprocess

from measured import Row, in_turns, spawn
from others import NODE_DEVICES, Others
from tree_machine import TreeMachine

LIST_GOALS = {10: [('P1', None, 12), ('P1', 'lspci -nnk', 0.5), ('P1', 'supergfxctl -g', 1.2),
                   ('P1', 'driverctl list-devices', 0.1), ('P1', 'switcherooctl list, of no GPU', 0.1)]}
INVENTORY_LIMIT = {10: 6, 1000: 72, 10000: 630}  # milliseconds
OTHERS = (['lspci', '-nnk'], ['driverctl', 'list-devices'], ['virsh', '-q', '-c', NODE_DEVICES, 'nodedev-list', '--cap', 'pci'],
          ['switcherooctl', 'list'], ['supergfxctl', '-g'])


def named(command):
    """'virsh nodedev-list --cap pci'"""
    words = ' '.join(word for word in command if word not in ('-q', '-c', NODE_DEVICES))
    return f'{words}, of no GPU' if words == 'switcherooctl list' else words


def listing(count, gpuctl, reader, runs):
    tools = {'gpuctl list': lambda: spawn([gpuctl, 'list'])}
    tools.update({named(command): lambda command=command: spawn(command) for command in OTHERS})
    tools['plain reader'] = lambda: spawn([reader])
    return Row(f'`gpuctl list`, {count:,} functions', 'ms', in_turns(tools, runs), LIST_GOALS.get(count, []))


def everything(count, gpuctl, runs):
    tools = {'gpuctl groups --all': lambda: spawn([gpuctl, 'groups', '--all']), 'lspci -nnk': lambda: spawn(['lspci', '-nnk'])}
    return Row(f'`gpuctl groups --all`: every function with its group, {count:,} functions', 'ms', in_turns(tools, runs),
               [('P1', 'lspci -nnk', 1.0)] if count == 1000 else [])


def said(*command, error=False):
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    return float(done.stderr if error else done.stdout)


def inventory(count, build, reader, runs):
    """The daemon's first read, as at its start, and without what is not in /sys; the reader with its start and without."""
    bench = build / 'tests/bench/bench_enumeration'
    tools = {'gpuctld': lambda: said(bench), 'without names and modules': lambda: said(bench, 'sys-only'),
             'plain reader': lambda: spawn([reader]), 'plain reader without its start': lambda: said(reader, 'time', error=True)}
    return Row(f'first inventory, {count:,} functions', 'ms', in_turns(tools, runs),
               [('P3', 'plain reader', 1.3), ('P3', 'plain reader without its start', 1.3), ('P3', None, INVENTORY_LIMIT[count])])


def linear(row, smaller, what):
    """How many times as long ten times as many functions take."""
    times = [ours / theirs for ours, theirs in zip(row.samples['gpuctld'], smaller.samples['gpuctld'])]
    return Row(f'first inventory, {what}', '×', {'gpuctld': times}, [('P3', None, 11)])


def rows(runs, build):
    machine, found, inventories = TreeMachine('10'), [], {}
    gpuctl, reader = str(build / 'cli/gpuctl'), str(build / 'tests/bench/bench_plain_reader')
    for count in (10, 1000, 10000):
        machine.with_functions(count)
        with Others(machine):
            found.append(listing(count, gpuctl, reader, runs))
        inventories[count] = inventory(count, build, reader, runs)
        found += [everything(count, gpuctl, runs), inventories[count]]
    machine.close()
    return [*found, linear(inventories[10000], inventories[1000], '10,000 functions beside 1,000')]
