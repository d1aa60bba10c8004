# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads over the bus, and how soon the service is there."""
import os
import subprocess
import time

from measured import Row, in_turns
from tree_machine import TreeMachine
from machine import SERVICE, until  # noqa: E402 - tree_machine makes it importable


def lines(*command):
    found = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    return [float(line) for line in found.split()]


def median(values):
    return sorted(values)[len(values) // 2]


def started(machine, start):
    """Milliseconds from exec until the name is owned, told by the bus itself."""
    if machine.daemon:
        machine.stop()
    watcher = machine.root
    rule = f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{SERVICE}'"
    watcher.listen(rule)
    watcher.signals.clear()
    began = time.perf_counter()
    machine.daemon = start()
    watcher.wait(lambda: any(s.member == 'NameOwnerChanged' and s.body[2] for s in watcher.signals), 30, 'the name')
    took = (time.perf_counter() - began) * 1000
    watcher.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'RemoveMatch', 's', [rule])
    return took


def daemon(machine, build):
    from machine import WORK
    with open(os.devnull, 'r+b') as null:
        return subprocess.Popen([build / 'daemon/gpuctld', '--state-dir', WORK / 'state', '--runtime-dir', '/run/gpuctl',
                                 '--libvirt-uri', 'test:///default', '--libvirt-module', build / 'daemon/vm/gpuctl-libvirt.so'],
                                stdin=null, stdout=null, stderr=null)


def opens_of(machine, work):
    """How many files the daemon opens while WORK is done, by strace."""
    log = '/run/machine/opens'
    tracer = subprocess.Popen(['strace', '-qq', '-f', '-e', 'trace=open,openat,openat2', '-o', log, '-p', str(machine.daemon.pid)],
                              stderr=subprocess.DEVNULL)
    until(lambda: 'TracerPid:\t0\n' not in open(f'/proc/{machine.daemon.pid}/status').read(), what='strace')
    work()
    tracer.terminate()
    tracer.wait()
    return len(open(log).read().splitlines())


def rows(runs, build):
    client, found = build / 'tests/bench/bench_bus_client', []
    machine = TreeMachine('10')
    for count, goals in ((10, []), (20, [('P2', None, 0.3)]), (1000, [('P2', None, 8)])):
        machine.with_functions(count)
        samples = in_turns({'GetManagedObjects': lambda: median(lines(client, 'objects', 50)),
                            'the bus itself: GetId': lambda: median(lines(client, 'id', 50))}, runs)
        found.append(Row(f'GetManagedObjects, {count:,} functions, an object each', 'ms', samples, goals))
    opens = opens_of(machine, lambda: lines(client, 'objects', 20))
    found.append(Row('files opened for 20 GetManagedObjects', 'files', {'gpuctld': [opens]}, [('P2', None, 0)]))
    machine.with_functions(10)
    found.append(Row('read one property', 'ms', in_turns({'gpuctld': lambda: median(lines(client, 'state', 200)),
                                                          'the bus itself: GetId': lambda: median(lines(client, 'id', 200))}, runs)))
    found.append(Row('property reads, 16 in flight', 'a second', {'gpuctld': [lines(client, 'rate', 2)[0] for _ in range(runs)]},
                     [('P10', None, -5000)]))
    empty = build / 'tests/bench/bench_empty_service'
    samples = in_turns({'gpuctld': lambda: started(machine, lambda: daemon(machine, build)),
                        'empty service': lambda: started(machine, lambda: subprocess.Popen([empty]))}, runs)
    found.append(Row('start to ready, both without a sandbox', 'ms', samples))
    above = [ours - theirs for ours, theirs in zip(*samples.values())]
    found.append(Row('start to ready, above an empty service, both without a sandbox', 'ms', {'gpuctld': above}, [('P8', None, 10)]))
    machine.close()
    return found
