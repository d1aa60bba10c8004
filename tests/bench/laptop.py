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
TWO = [('own', 'bare writes', 1.2), ('P4', 'driverctl', 0.6), ('P4', 'virsh nodedev', 0.4)]
GOALS = {
    'list': [('P1', 'lspci -nnk', 0.5), ('P1', 'driverctl list-devices', 0.1), ('P1', 'switcherooctl list', 0.1)],
    'attach, 2 functions': TWO,
    'release, 2 functions': TWO,
    'stopped service to first reply': [('P8', None, 100)],
}
FLOORS = {'bare writes': 'bare writes', 'empty service': 'an empty service in the same sandbox'}
ABOVE = {'attach, 1 function': ('bare writes', [('P4', None, 100)]),
         'release, 1 function': ('bare writes', [('P4', None, 100)]),
         'attach, 2 functions': ('bare writes', []),
         'release, 2 functions': ('bare writes', []),
         'start to ready': ('empty service', [('P8', None, 10)])}


def results(card, runs, deb, build):
    with Machine() as laptop:
        laptop.restore(snapshots.installed(deb))
        laptop.plug(card, wait=card == 'nvidia')
        laptop.run('udevadm settle -t 30; for i in $(seq 100); do [ -e /sys/bus/pci/devices/0000:01:00.0/driver ] && exit; '
                   'sleep 0.1; done; exit 1')
        for script in ('in_laptop.py', 'service_starts.py'):
            laptop.shell.put(HERE / script, f'/tmp/{script}')
        laptop.shell.put(build / 'tests/bench/bench_empty_service', '/usr/local/lib/bench_empty_service')
        laptop.run('chmod 755 /usr/local/lib/bench_empty_service')
        return json.loads(laptop.run(f'python3 /tmp/in_laptop.py {runs}', timeout=1800))


def above(work, unit, samples):
    """Above the floor: each round's difference to the floor's of the same round."""
    floor, goals = ABOVE[work]
    differences = {tool: [value - least for value, least in zip(values, samples[floor])]
                   for tool, values in samples.items() if tool != floor}
    return Row(f'{work}, above {FLOORS[floor]} (emulated laptop)', unit, differences, goals)


def rows(runs, build, deb=None):
    deb = pathlib.Path(deb) if deb else package.path()
    measured = {}
    for card in ('nvidia', 'nvidia-one-function'):
        for work, samples in results(card, runs, deb, build).items():
            measured.setdefault(work, samples)
    found = []
    for work, samples in measured.items():
        unit = 'kB' if 'memory' in work else 'ms'
        found.append(Row(f'{work} (emulated laptop)', unit, samples, GOALS.get(work, [])))
        if work in ABOVE:
            found.append(above(work, unit, samples))
    return found
