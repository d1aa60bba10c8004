# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs inside the emulated laptop: gpuctl, driverctl and libvirt take a card to vfio-pci and home again; at each of their
writes to sysfs they are killed (-9), and the write is refused with each errno. What is left?
usage: faults_in_laptop.py ERRNO...; prints {'killed' | 'refused': {tool: {what is left: how often}}} as JSON."""
import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

GPU, AUDIO = '0000:01:00.0', '0000:01:00.1'
HOST_DRIVERS = {AUDIO: 'snd_hda_intel', GPU: 'nvidia'}
BUS = pathlib.Path('/sys/bus/pci')
TRACE = pathlib.Path('/tmp/faults.trace')
SETTLED = ('host', 'vm', 'unbound', 'stuck')
PATIENCE = 120
WRITTEN = [*(BUS / 'devices' / address / name for address in HOST_DRIVERS for name in
             ('driver_override', 'power/control', 'd3cold_allowed', 'reset', 'reset_method', 'remove')),
           *(BUS / 'drivers' / name / file for name in (*HOST_DRIVERS.values(), 'vfio-pci')
             for file in ('bind', 'unbind', 'new_id', 'remove_id')),
           BUS / 'drivers_probe']


def quiet(*command, check=False):
    return subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def begin(command, **options):
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def until(condition, what):
    """Polls what offers no event to wait for."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f'{what} did not come true in {PATIENCE} s')
        time.sleep(0.05)


# --- the card -------------------------------------------------------------------------------------------------------------
def driver(address):
    link = BUS / 'devices' / address / 'driver'
    return link.readlink().name if link.is_symlink() else None


def override(address):
    text = (BUS / 'devices' / address / 'driver_override').read_text().strip()
    return '' if text == '(null)' else text


def left():
    """One word for the whole card. An override is part of being with VFIO, and a leftover on the host."""
    drivers, overrides = {driver(a) for a in HOST_DRIVERS}, {override(a) for a in HOST_DRIVERS}
    if drivers == {'vfio-pci'}:
        return 'with VFIO'
    if None in drivers:
        return 'without a driver'
    if 'vfio-pci' in drivers:
        return 'divided between host and VFIO'
    return 'on the host' if overrides == {''} else 'override left on the host'


def verdict(to_vfio, said_done):
    """Whole on either side is well, but not where the tool has said that it is elsewhere."""
    found = left()
    if found not in ('with VFIO', 'on the host'):
        return found
    return 'said done, but not done' if said_done and found != ('with VFIO' if to_vfio else 'on the host') else 'whole'


def write(path, text):
    try:
        path.write_text(text)
    except OSError:
        pass  # not bound, or bound already


def take_home(address, wanted):
    write(BUS / 'devices' / address / 'driver_override', '\n')
    if driver(address) == wanted:
        return True
    quiet('modprobe', wanted)
    write(BUS / 'devices' / address / 'driver/unbind', address)
    write(BUS / 'drivers_probe', address)
    return driver(address) == wanted


def by_hand():
    """The administrator's repair between two faults, with nobody's tool. The kernel may still be at what a killed process
    has begun, and a tool's helper too."""
    for address, wanted in HOST_DRIVERS.items():
        until(lambda: take_home(address, wanted), f'{address} with {wanted}')


# --- the tools ------------------------------------------------------------------------------------------------------------
def in_order(to_vfio):
    return (AUDIO, GPU) if to_vfio else (GPU, AUDIO)


def kill_group(client):
    if client.poll() is None:
        os.killpg(client.pid, signal.SIGKILL)
        client.wait()


class Gpuctl:
    unit = 'gpuctld'

    def steps(self, to_vfio):
        return [['gpuctl', *(['attach', '--gpu'] if to_vfio else ['release']), GPU]]

    def recover(self):
        """Its unit starts it again; what it finds it finishes or takes back by itself."""
        until(self.settled, 'gpuctld with a settled card')

    def settled(self):
        said = subprocess.run(['gpuctl', '--json', 'list'], capture_output=True, text=True).stdout
        gpus = json.loads(said or '{}').get('gpus', [])  # none while it is not there
        return any(gpu['address'] == GPU and gpu['state'] in SETTLED for gpu in gpus)

    def tidy(self):
        if driver(GPU) == 'vfio-pci':
            quiet(*self.steps(False)[0], check=True)


class Driverctl:
    unit = None

    def steps(self, to_vfio):
        verb, driver_name = ('set-override', ['vfio-pci']) if to_vfio else ('unset-override', [])
        return [['driverctl', '--nosave', verb, address, *driver_name] for address in in_order(to_vfio)]

    def recover(self):
        """It has no memory; udev and its own unit have nothing to do for an unsaved override."""
        quiet('udevadm', 'settle')

    def tidy(self):
        pass


class Libvirt:
    unit = 'libvirtd'

    def steps(self, to_vfio):
        verb = 'nodedev-detach' if to_vfio else 'nodedev-reattach'
        return [['virsh', '-q', verb, 'pci_' + address.replace(':', '_').replace('.', '_')] for address in in_order(to_vfio)]

    def recover(self):
        quiet('systemctl', 'reset-failed', 'libvirtd')
        quiet('systemctl', 'start', 'libvirtd', check=True)
        quiet('virsh', '-q', 'nodedev-list', check=True)

    def tidy(self):
        pass


# --- a fault at one write -------------------------------------------------------------------------------------------------
def pid_of(unit):
    quiet('systemctl', 'reset-failed', unit)  # that many starts in a short time are the test's doing
    quiet('systemctl', 'start', unit, check=True)
    return subprocess.run(['systemctl', 'show', '-P', 'MainPID', unit], check=True, capture_output=True, text=True).stdout.strip()


def attached(pid):
    tasks = pathlib.Path(f'/proc/{pid}/task').glob('*/status')
    return all('TracerPid:\t0\n' not in task.read_text() for task in tasks)


def traced(unit, command, *inject):
    """COMMAND begun, and strace at the process that writes: that of UNIT, or else itself. strace counts each process's writes."""
    strace = ['strace', '-f', '-qq', '-e', 'signal=none', '-e', 'trace=write', '-o', str(TRACE), *inject]
    for path in WRITTEN:
        strace += ['-P', str(path)]
    TRACE.unlink(missing_ok=True)
    if not unit:
        return begin([*strace, *command], start_new_session=True), None
    pid = pid_of(unit)
    tracer = begin([*strace, '-p', pid])
    until(lambda: attached(pid), f'strace at {unit}')
    return begin(command, start_new_session=True), tracer


def ended(tracer):
    if tracer:
        tracer.terminate()
        tracer.wait()


def writes():
    return TRACE.read_text().count('write(') if TRACE.exists() else 0


def points(tool, to_vfio):
    """[(step, write), ...] of a way that nothing disturbs."""
    found = []
    for step, command in enumerate(tool.steps(to_vfio)):
        client, tracer = traced(tool.unit, command)
        if client.wait(PATIENCE):
            raise RuntimeError(f'{command} has failed')
        ended(tracer)
        found += [(step, number + 1) for number in range(writes())]
    return found


def kill(tool, client):
    if tool.unit:
        quiet('systemctl', 'kill', '--signal=KILL', tool.unit)
    kill_group(client)


def killed(tool, to_vfio, command, number):
    """While strace holds it before the write."""
    client, tracer = traced(tool.unit, command, '-e', f'inject=write:delay_enter={PATIENCE}s:when={number}')
    until(lambda: writes() >= number or client.poll() is not None, f'write {number} of {command}')
    kill(tool, client)
    ended(tracer)
    tool.recover()
    return verdict(to_vfio, said_done=False)


def refused(tool, to_vfio, command, number, errno, further):
    client, tracer = traced(tool.unit, command, '-e', f'inject=write:error={errno}:when={number}')
    said_done = client.wait(PATIENCE) == 0
    ended(tracer)
    return verdict(to_vfio, said_done and not any(quiet(*one) for one in further))


def at(tool, to_vfio, point, errno):
    step, number = point
    if not to_vfio:
        for command in tool.steps(True):
            quiet(*command, check=True)
    before, command, further = tool.steps(to_vfio)[:step], tool.steps(to_vfio)[step], tool.steps(to_vfio)[step + 1:]
    for one in before:
        quiet(*one, check=True)
    found = refused(tool, to_vfio, command, number, errno, further) if errno else killed(tool, to_vfio, command, number)
    print(type(tool).__name__, 'to VFIO' if to_vfio else 'home', point, errno or 'killed', found, file=sys.stderr, flush=True)
    tool.tidy()
    by_hand()
    return found


def everywhere(tool, errnos):
    all_points = [(to_vfio, point) for to_vfio in (True, False) for point in points(tool, to_vfio)]
    return {'killed': collections.Counter(at(tool, *point, None) for point in all_points),
            'refused': collections.Counter(at(tool, *point, errno) for point in all_points for errno in errnos)}


def main():
    quiet('modprobe', 'vfio-pci', check=True)
    found = {name: everywhere(tool, sys.argv[1:]) for name, tool in
             {'gpuctl': Gpuctl(), 'driverctl': Driverctl(), 'libvirt': Libvirt()}.items()}
    print(json.dumps({fault: {name: counts[fault] for name, counts in found.items()} for fault in ('killed', 'refused')}))


if __name__ == '__main__':
    main()
