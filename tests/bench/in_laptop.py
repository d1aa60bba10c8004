# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs inside the emulated laptop: gpuctl in turns with driverctl, virsh, lspci and bare writes to sysfs.
usage: in_laptop.py RUNS; prints {work: {tool: [milliseconds, ...]}} as JSON."""
import json
import os
import subprocess
import sys

from service_starts import in_turns, run, spawn, starts

GPU, AUDIO = '0000:01:00.0', '0000:01:00.1'
HOST_DRIVERS = {GPU: 'nvidia', AUDIO: 'snd_hda_intel'}
RUNS = int(sys.argv[1])
DEVICES = '/sys/bus/pci/devices'


def driver(address):
    try:
        return os.path.basename(os.readlink(f'{DEVICES}/{address}/driver'))
    except OSError:
        return None


def bare(addresses, to_vfio):
    """What the kernel itself needs, by one process that only writes."""
    lines = []
    for address in addresses:
        here = f'{DEVICES}/{address}'
        lines += [f'echo {"vfio-pci" if to_vfio else ""} > {here}/driver_override',
                  f'echo {address} > {here}/driver/unbind', f'echo {address} > /sys/bus/pci/drivers_probe']
    return ['sh', '-ec', '\n'.join(lines)]


def driverctl(address, to_vfio):
    return ['driverctl', '--nosave', *(['set-override', address, 'vfio-pci'] if to_vfio else ['unset-override', address])]


def virsh(address, to_vfio):
    name = 'pci_' + address.replace(':', '_').replace('.', '_')
    return ['virsh', '-q', 'nodedev-detach' if to_vfio else 'nodedev-reattach', name]


def each(make, addresses, to_vfio):
    return sum(spawn(make(address, to_vfio)) for address in addresses)


def move(tool, addresses, to_vfio):
    """Milliseconds; afterwards the functions are where they should be, whoever moved them."""
    ordered = addresses if to_vfio else addresses[::-1]  # the audio function leaves first and comes last
    took = {'gpuctl': lambda: spawn(['gpuctl', *(['attach', '--gpu'] if to_vfio else ['release']), GPU]),
            'bare writes': lambda: spawn(bare(ordered, to_vfio)),
            'driverctl': lambda: each(driverctl, ordered, to_vfio),
            'virsh nodedev': lambda: each(virsh, ordered, to_vfio)}[tool]()
    for address in addresses:
        wanted = 'vfio-pci' if to_vfio else HOST_DRIVERS[address]
        if driver(address) != wanted:
            raise RuntimeError(f'{tool}: {address} is bound to {driver(address)}, not to {wanted}')
    return took


def moves(addresses, results):
    what = f'{len(addresses)} function{"s" * (len(addresses) > 1)}'
    for round_ in range(RUNS + 1):
        for tool in ('gpuctl', 'bare writes', 'driverctl', 'virsh nodedev'):
            for verb, to_vfio in (('attach', True), ('release', False)):
                took = move(tool, addresses, to_vfio)
                if round_:
                    results.setdefault(f'{verb}, {what}', {}).setdefault(tool, []).append(took)


def rss_and_pss(unit):
    pid = run('systemctl', 'show', '-P', 'MainPID', unit)
    with open(f'/proc/{pid}/smaps_rollup') as file:
        found = dict(line.split(':') for line in file.read().splitlines()[1:])
    return [int(found[name].split()[0]) for name in ('Rss', 'Pss')]


def memory(results):
    """After all the work above."""
    for unit in ('gpuctld', 'polkit', 'systemd-logind', 'libvirtd'):
        try:
            rss, pss = rss_and_pss(unit)
        except (OSError, subprocess.CalledProcessError):
            continue
        results.setdefault('resident memory after this run', {})[unit] = [rss]
        results.setdefault('proportional memory after this run', {})[unit] = [pss]


def main():
    results = {}
    functions = [address for address in (AUDIO, GPU) if os.path.exists(f'{DEVICES}/{address}')]
    subprocess.run(['modprobe', 'vfio-pci'], check=True)
    in_turns(RUNS, 'list', results, {'gpuctl list': ['gpuctl', 'list'], 'lspci -nnk': ['lspci', '-nnk'],
                                     'driverctl list-devices': ['driverctl', 'list-devices'],
                                     'virsh nodedev-list': ['virsh', '-q', 'nodedev-list', '--cap', 'pci'],
                                     'switcherooctl list': ['switcherooctl', 'list']})
    moves(functions, results)
    if len(functions) == 2:
        starts(RUNS, results)
        memory(results)
    print(json.dumps(results))


main()
