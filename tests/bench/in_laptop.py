# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs inside the emulated laptop: gpuctl in turns with driverctl, virsh, lspci and bare writes to sysfs.
/usr/local/lib/bench_empty_service is the floor of every service, run in gpuctld's own sandbox.
usage: in_laptop.py RUNS; prints {work: {tool: [milliseconds, ...]}} as JSON."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time

GPU, AUDIO = '0000:01:00.0', '0000:01:00.1'
HOST_DRIVERS = {GPU: 'nvidia', AUDIO: 'snd_hda_intel'}
RUNS = int(sys.argv[1])
DEVICES = '/sys/bus/pci/devices'
EMPTY = 'org.gpuctl1.Empty'
POLICY = f"""<busconfig><policy user="root"><allow own="{EMPTY}"/></policy>
<policy context="default"><allow send_destination="{EMPTY}"/></policy></busconfig>"""
# (bus name, unit, an object)
SERVICES = {'gpuctld': ('org.gpuctl1', 'gpuctld', '/org/gpuctl1'), 'empty service': (EMPTY, 'bench-empty', '/'),
            'systemd-hostnamed': ('org.freedesktop.hostname1', 'systemd-hostnamed', '/org/freedesktop/hostname1'),
            'systemd-timedated': ('org.freedesktop.timedate1', 'systemd-timedated', '/org/freedesktop/timedate1')}


def spawn(command):
    with open(os.devnull, 'r+') as null:
        actions = [(os.POSIX_SPAWN_DUP2, null.fileno(), fd) for fd in (0, 1)]
        began = time.perf_counter()
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
        _, status = os.waitpid(pid, 0)
        took = (time.perf_counter() - began) * 1000
    if status:
        raise RuntimeError(f'{command} ended with {status}')
    return took


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


def installed(program):
    return any(os.access(f'{directory}/{program}', os.X_OK) for directory in os.get_exec_path())


def in_turns(work, results, commands, before=None):
    """No samples for a tool that is not installed."""
    found = results.setdefault(work, {tool: [] for tool in commands})
    there = {tool: command for tool, command in commands.items() if installed(command[0])}
    for round_ in range(RUNS + 1):
        for tool, command in there.items():
            if before:
                before(tool)
            took = spawn(command)
            if round_:
                found[tool].append(took)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def stop(tool):
    unit = SERVICES[tool][1]
    run('systemctl', 'stop', unit)
    # that many starts in a short time are the test's doing
    subprocess.run(['systemctl', 'reset-failed', unit], stderr=subprocess.DEVNULL)


def install_empty_service():
    """gpuctld's unit with another program and name."""
    text = pathlib.Path(run('systemctl', 'show', '-P', 'FragmentPath', 'gpuctld')).read_text()
    text = re.sub('(?m)^ExecStart=.*', f'ExecStart=/usr/local/lib/bench_empty_service {EMPTY}', text)
    text = text.replace('BusName=org.gpuctl1\n', f'BusName={EMPTY}\n').split('[Install]')[0]
    pathlib.Path('/run/systemd/system/bench-empty.service').write_text(text)
    pathlib.Path(f'/etc/dbus-1/system.d/{EMPTY}.conf').write_text(POLICY)
    pathlib.Path(f'/usr/share/dbus-1/system-services/{EMPTY}.service').write_text(
        f'[D-BUS Service]\nName={EMPTY}\nExec=/bin/false\nUser=root\nSystemdService=bench-empty.service\n')
    run('systemctl', 'daemon-reload')
    run('systemctl', 'reload', 'dbus')


def starts(results):
    """Until the job of the start has ended, and from a call that starts it to its answer, by one client for all."""
    install_empty_service()
    both = ('gpuctld', 'empty service')
    in_turns('start to ready', results, {tool: ['systemctl', 'start', SERVICES[tool][1]] for tool in both}, stop)
    ping = {tool: ['busctl', 'call', name, path, 'org.freedesktop.DBus.Peer', 'Ping'] for tool, (name, _, path) in SERVICES.items()}
    in_turns('stopped service to first reply', results, ping, stop)


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
    in_turns('list', results, {'gpuctl list': ['gpuctl', 'list'], 'lspci -nnk': ['lspci', '-nnk'],
                               'driverctl list-devices': ['driverctl', 'list-devices'],
                               'virsh nodedev-list': ['virsh', '-q', 'nodedev-list', '--cap', 'pci'],
                               'switcherooctl list': ['switcherooctl', 'list']})
    moves(functions, results)
    if len(functions) == 2:
        starts(results)
        memory(results)
    print(json.dumps(results))


main()
