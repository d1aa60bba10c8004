# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows that need a real kernel: attach, release, listing and activation in the emulated laptop."""
import json
import pathlib
import sys

from measured import Row

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'vm'))
from lab import hardware, package, snapshots  # noqa: E402
from lab.machine import Machine  # noqa: E402

# one function: the same card without sound
hardware.CARDS.setdefault('nvidia-one-function', [hardware.fake('gpu', 0)])
GOALS = {
    'list': [('P1', 'lspci -nnk', 0.5), ('P1', 'driverctl list-devices', 0.1)],
    'attach, 1 function': [('P4', 'driverctl', 1.0), ('P4', 'virsh nodedev', 1.0)],
    'release, 1 function': [('P4', 'driverctl', 1.0), ('P4', 'virsh nodedev', 1.0)],
    'attach, 2 functions': [('P4', 'driverctl', 0.6), ('P4', 'virsh nodedev', 0.4)],
    'release, 2 functions': [('P4', 'driverctl', 0.6), ('P4', 'virsh nodedev', 0.4)],
    'stopped service to first reply': [('P8', 'hostnamectl', 1.0)],
}


def results(card, runs, deb):
    with Machine() as laptop:
        laptop.restore(snapshots.installed(deb))
        laptop.plug(card, wait=card == 'nvidia')
        laptop.run('udevadm settle -t 30; for i in $(seq 100); do [ -e /sys/bus/pci/devices/0000:01:00.0/driver ] && exit; '
                   'sleep 0.1; done; exit 1')
        laptop.shell.put(HERE / 'in_laptop.py', '/tmp/in_laptop.py')
        return json.loads(laptop.run(f'python3 /tmp/in_laptop.py {runs}', timeout=1800))


def overhead(row, runs_of='bare writes'):
    """Above the kernel's own work: each round's difference to the bare writes of the same round."""
    ours = [mine - theirs for mine, theirs in zip(row.samples['gpuctl'], row.samples[runs_of])]
    others = {tool: [a - b for a, b in zip(values, row.samples[runs_of])]
              for tool, values in row.samples.items() if tool not in ('gpuctl', runs_of)}
    goals = [('P4', None, 100)] if '1 function' in row.work else []
    return Row(f'{row.work}: above bare writes (emulated laptop)', 'ms', {'gpuctl': ours, **others}, goals)


def rows(runs, deb=None):
    deb = pathlib.Path(deb) if deb else package.path()
    measured = {}
    for card in ('nvidia', 'nvidia-one-function'):
        for work, samples in results(card, runs, deb).items():
            measured.setdefault(work, samples)
    found = []
    for work, samples in measured.items():
        unit = 'kB' if 'memory' in work else 'ms'
        row = Row(f'{work} (emulated laptop)', unit, samples, GOALS.get(work, []))
        found.append(row)
        if 'function' in work:
            found.append(overhead(Row(work, unit, samples)))
    return found
