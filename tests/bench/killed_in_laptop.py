# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs inside the emulated laptop: kills gpuctl, driverctl and libvirt (-9) on the way of a card to vfio-pci and home
again, at evenly spread moments, starts each anew, and looks at what is left.
usage: killed_in_laptop.py MOMENTS; prints {tool: {what is left: how often}} as JSON."""
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
MOMENTS = int(sys.argv[1])
BUS = pathlib.Path('/sys/bus/pci')
SETTLED = ('host', 'vm', 'unbound', 'stuck')


def quiet(*command, check=False):
    return subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


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
        return 'whole'
    if None in drivers:
        return 'without a driver'
    if 'vfio-pci' in drivers:
        return 'divided between host and VFIO'
    return 'whole' if overrides == {''} else 'override left on the host'


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


def by_hand(after):
    """The administrator's repair between two kills, with nobody's tool. The kernel may still be at what the killed process
    has begun, and a tool's helper too."""
    for address, wanted in HOST_DRIVERS.items():
        deadline = time.monotonic() + 30
        while not take_home(address, wanted):
            if time.monotonic() > deadline:
                raise RuntimeError(f'{after}: {address} has {driver(address)} instead of {wanted}')
            time.sleep(0.1)


def kill_group(client):
    if client.poll() is None:
        os.killpg(client.pid, signal.SIGKILL)
        client.wait()


class Gpuctl:
    def move(self, to_vfio):
        return ['gpuctl', *(['attach', '--gpu'] if to_vfio else ['release']), GPU]

    def kill(self, client):
        quiet('systemctl', 'kill', '--signal=KILL', 'gpuctld')
        client.wait()

    def recover(self):
        """Its unit starts it again; what it finds it finishes or takes back by itself."""
        for _ in range(300):
            said = subprocess.run(['gpuctl', '--json', 'list'], capture_output=True, text=True).stdout
            gpus = json.loads(said)['gpus'] if said else []
            if any(gpu['address'] == GPU and gpu['state'] in SETTLED for gpu in gpus):
                return
            time.sleep(0.1)
        raise RuntimeError(f'gpuctld did not come back: {said}')

    def tidy(self):
        if driver(GPU) == 'vfio-pci':
            quiet(*self.move(False), check=True)


class Driverctl:
    def move(self, to_vfio):
        verb = 'set-override {} vfio-pci' if to_vfio else 'unset-override {}'
        order = (AUDIO, GPU) if to_vfio else (GPU, AUDIO)
        return ['sh', '-ec', '\n'.join('driverctl --nosave ' + verb.format(address) for address in order)]

    def kill(self, client):
        kill_group(client)

    def recover(self):
        """It has no memory; udev and its own unit have nothing to do for an unsaved override."""
        quiet('udevadm', 'settle')

    def tidy(self):
        pass


class Libvirt:
    def move(self, to_vfio):
        verb = 'nodedev-detach' if to_vfio else 'nodedev-reattach'
        order = (AUDIO, GPU) if to_vfio else (GPU, AUDIO)
        names = ['pci_' + address.replace(':', '_').replace('.', '_') for address in order]
        return ['sh', '-ec', '\n'.join(f'virsh -q {verb} {name}' for name in names)]

    def kill(self, client):
        quiet('systemctl', 'kill', '--signal=KILL', 'libvirtd')
        kill_group(client)

    def recover(self):
        quiet('systemctl', 'reset-failed', 'libvirtd')
        quiet('systemctl', 'start', 'libvirtd', check=True)
        quiet('virsh', '-q', 'nodedev-list', check=True)

    def tidy(self):
        pass


def seconds_of(tool, to_vfio):
    began = time.monotonic()
    subprocess.run(tool.move(to_vfio), check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def killed(tool, to_vfio, after):
    client = subprocess.Popen(tool.move(to_vfio), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        client.wait(after)  # the moment of the kill; it may have ended just before
    except subprocess.TimeoutExpired:
        pass
    tool.kill(client)
    tool.recover()


def both_ways(tool):
    found = collections.Counter()
    lengths = [seconds_of(tool, True), seconds_of(tool, False)]
    for to_vfio, length in zip((True, False), lengths):
        for moment in range(MOMENTS):
            if not to_vfio:
                subprocess.run(tool.move(True), check=True, stdout=subprocess.DEVNULL)
            killed(tool, to_vfio, length * moment / MOMENTS)
            found[left()] += 1
            tool.tidy()
            by_hand(f'{type(tool).__name__} killed at {moment} of {MOMENTS} on the way {"out" if to_vfio else "home"}, left {left()}')
    return found


def main():
    quiet('modprobe', 'vfio-pci', check=True)
    print(json.dumps({name: both_ways(tool) for name, tool in
                      {'gpuctl': Gpuctl(), 'driverctl': Driverctl(), 'libvirt': Libvirt()}.items()}))


main()
