# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine in a mount, network and process namespace: real dbus-daemon, real polkitd, the production gpuctld on fakesys.

`./run` makes the namespaces. /sys is fakesys there: nothing can touch the devices of the machine that runs the tests.
"""
import json
import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess
import time

from client import GPU, GROUP, MANAGER, OBJECT_MANAGER, OPERATION, PROPERTIES, ROOT, SERVICE, Client, dict_of  # noqa: F401
from dbus_wire import Bus
from places import BUILD, HERE, SOURCE, WORK, run, until
from polkit import RULES, Polkit
from sessions import IS_BOOTED, Sessions, UNITS

ACTIONS = ['attach', 'release', 'force', 'configure', 'cancel']
USERS = ['alice', 'bob', 'mallory', 'carol', 'ann', 'sid']


def connected():
    """To the bus, or None while it does not listen yet."""
    try:
        return Bus()
    except OSError:
        return None


def is_alive(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


class Machine(Polkit):
    """One for the whole test process: the namespace has one /sys and one system bus."""
    libvirt = 'test:///default'

    def __init__(self, name='laptop'):
        self.children, self.daemon, self.sessions = [], None, None
        self._file_systems()
        self._users()
        self._files()
        self.load(name)
        self._start_bus()
        self.policy('rules')
        if IS_BOOTED:
            self.sessions = Sessions(WORK / 'dbus/system_bus_socket')
            self.uids.update(self.sessions.uids)

    # --- parts ------------------------------------------------------------------------------------------------------
    def _file_systems(self):
        run('mount', '--make-rprivate', '/')
        if not IS_BOOTED:  # else the whole system is the test's own
            run('mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/run')
        for directory in ('dbus', 'machine/state', 'machine/dbus', 'lock', 'udev'):
            os.makedirs(f'/run/{directory}', exist_ok=True)
        run('mount', '--bind', WORK / 'dbus', '/run/dbus')
        for place in ('/etc', '/usr/share') if not IS_BOOTED else ():
            upper, work = WORK / f'upper{place}', WORK / f'work{place}'
            upper.mkdir(parents=True)
            work.mkdir(parents=True)
            run('mount', '-t', 'overlay', 'overlay', '-o', f'lowerdir={place},upperdir={upper},workdir={work}', place)
        cgroups = WORK / 'cgroups'
        cgroups.mkdir()
        run('mount', '--rbind', '/sys/fs/cgroup', str(cgroups))

    def _users(self):
        run('groupadd', '-rf', 'gpuctl')
        for user in USERS:
            run('useradd', '-M', *(['-G', 'gpuctl'] if user == 'bob' else []), user)
        self.uids = {user: pwd.getpwnam(user).pw_uid for user in [*USERS, 'root', 'nobody']}

    def _files(self):
        install = ['install', '-D', '-m', '644']
        run(*install, SOURCE / 'dbus-interfaces/org.gpuctl1.conf', '/usr/share/dbus-1/system.d/org.gpuctl1.conf')
        # polkitd is started and killed by the tests, never by the bus
        pathlib.Path('/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service').unlink()
        os.makedirs(RULES, exist_ok=True)
        self._proc('cmdline', 'BOOT_IMAGE=/boot/vmlinuz root=/dev/nvme0n1p2 ro quiet intel_iommu=on\n')
        flags = 'fpu vme msr pae cx8 apic sep pge cmov mmx sse sse2 ht syscall nx lm vmx ept'
        self._proc('cpuinfo', f'processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: 12th Gen Intel(R) Core(TM)\nflags\t\t: {flags}\n')

    def _start_bus(self):
        """And systemd's part on it."""
        pathlib.Path('/run/dbus/system_bus_socket').unlink(missing_ok=True)
        self.bus = self._child(['dbus-daemon', '--system', '--nofork', '--nopidfile'], 'dbus')
        self.root = until(connected, what='the bus')
        self.systemd = self._child(['/usr/bin/python3', str(HERE / 'fake_systemd.py'), str(self.control), str(WORK / 'units.log'),
                                    BUILD / 'daemon/apply/gpuctl-apply'], 'systemd')
        until(lambda: self.root.owner('org.freedesktop.systemd1'), what='systemd1')

    def restart_bus(self):
        """The bus is killed, and is there again with all but gpuctld, whose exit status this is."""
        self.bus.kill()
        self.bus.wait()
        status = self.daemon.wait(15)
        self.daemon = None
        self.polkitd.kill()
        self.polkitd.wait()
        self.polkitd = None
        self._start_bus()
        self.policy('rules')
        return status

    def _proc(self, name, text):
        path = WORK / name
        path.write_text(text)
        run('mount', '--bind', path, f'/proc/{name}')

    def _child(self, command, name):
        log = open(WORK / f'{name}.log', 'ab')
        child = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.children.append(child)
        return child

    def load(self, name):
        """Another machine: fakesys anew at /sys."""
        self.name, self.control = name, WORK / f'{name}.control'
        if getattr(self, 'fakesys', None):
            run('umount', '-l', '/sys/fs/cgroup')
            run('umount', '-l', '/sys')
            self.fakesys.wait(10)
        ready = WORK / 'fakesys.ready'
        with open(ready, 'wb') as out:
            self.fakesys = subprocess.Popen(
                [BUILD / 'tests/support/fakesys/fakesys', SOURCE / f'tests/support/fakesys/machines/{name}.json', '/sys',
                 '--modules', WORK / 'modules', '--control', self.control, '--uevents-not-in', os.environ['MACHINE_OUTER_NETWORK']],
                stdout=out, stderr=open(WORK / 'fakesys.log', 'ab'),
                preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)))  # it stands for the kernel
        until(lambda: b'READY' in ready.read_bytes() or self.fakesys.poll() is not None, what='fakesys')
        if self.fakesys.poll() is not None:
            raise RuntimeError((WORK / 'fakesys.log').read_text())
        current = WORK / 'control'
        current.unlink(missing_ok=True)
        current.symlink_to(self.control)
        self.control = current
        run('mount', '--rbind', WORK / 'cgroups', '/sys/fs/cgroup')

    def fake(self, command):
        """One command of fakesys' control socket; see control.hpp."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.control))
            s.sendall(command.encode() + b'\n')
            answer = json.loads(s.makefile().readline())
        if 'error' in answer:
            raise RuntimeError(f'fakesys: {command}: {answer["error"]}')
        return answer

    def functions(self):
        return self.fake('state')['functions']

    def writes(self):
        return self.fake('writes')['writes']

    # --- the daemon -------------------------------------------------------------------------------------------------
    def start(self, *arguments, prefix=(), keeps_freed=True, halted=lambda: False):
        """gpuctld, ready: its name is taken, or it is HALTED before. What it has freed AddressSanitizer must not keep where its memory is measured."""
        quarantine = '' if keeps_freed else ':quarantine_size_mb=1:thread_local_quarantine_size_kb=16'
        binary = os.environ.get('GPUCTLD', BUILD / 'daemon/gpuctld')
        environment = {'PATH': '/usr/bin:/bin', 'LANG': 'C.UTF-8', 'ASAN_OPTIONS': 'abort_on_error=1' + quarantine,
                       'UBSAN_OPTIONS': 'print_stacktrace=1'}
        self.log = WORK / 'gpuctld.log'
        with open(self.log, 'ab') as out:
            self.daemon = subprocess.Popen([*prefix, binary, '--state-dir', WORK / 'state', '--runtime-dir', '/run/gpuctl',
                                            '--modules-dir', WORK / 'modules',
                                            '--libvirt-uri', self.libvirt, '--libvirt-module', BUILD / 'daemon/vm/gpuctl-libvirt.so', *arguments],
                                           stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment)
        until(lambda: self.root.owner(SERVICE) or self.daemon.poll() is not None or halted(), timeout=30, what='gpuctld')
        if self.daemon.poll() is not None:
            raise RuntimeError(f'gpuctld ended with {self.daemon.returncode}:\n{self.log_text()}')
        return self.daemon

    def go_first(self):
        """What runs beside this machine and its tests shall not be what they measure."""
        for pid in [os.getpid(), self.bus.pid, self.daemon.pid, *([self.polkitd.pid] if self.polkitd else [])]:
            os.setpriority(os.PRIO_PROCESS, pid, -15)

    def sanitizers_cost(self):
        """How many times longer gpuctld may take, and how much more it may need, by how it is built."""
        binary = pathlib.Path(os.environ.get('GPUCTLD', BUILD / 'daemon/gpuctld'))
        return 3 if re.search(rb'__[at]san_init', binary.read_bytes()) else 1

    def stop(self, how=signal.SIGTERM, timeout=15):
        """The exit status, negative for a signal."""
        if not self.daemon:
            return None
        if self.daemon.poll() is None:
            self.daemon.send_signal(how)
        status = self.daemon.wait(timeout)
        self.daemon = None
        until(lambda: not self.root.owner(SERVICE), what='the end of gpuctld')
        return status

    def workers(self):
        """The processes of gpuctld's own."""
        pid = self.daemon.pid
        return [int(child) for child in pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]

    def kill(self, then):
        """gpuctld at once; what it left in a write of the kernel's goes on when fakesys has been told, and is gone afterwards."""
        workers = self.workers()
        self.stop(signal.SIGKILL)
        self.fake(then)
        until(lambda: not any(is_alive(pid) for pid in workers), what='the end of its processes')

    def status(self):
        if not self.daemon:
            return 'not running'
        return 'running' if self.daemon.poll() is None else f'ended with {self.daemon.returncode}'

    def log_text(self):
        return self.log.read_text(errors='replace') if getattr(self, 'log', None) and self.log.exists() else ''

    def sanitizers(self):
        """What Address-, Thread- and UndefinedBehaviorSanitizer have said, where the daemon is built with them."""
        return re.findall(r'.*(?:Sanitizer|runtime error:).*', self.log_text())

    def fresh(self):
        """A machine that has just started: nothing recorded, nothing moved, no daemon."""
        if self.daemon:
            self.fake('clear')
            self.stop(signal.SIGKILL)
        self.fake('restart')
        for directory in (pathlib.Path('/run/gpuctl'), WORK / 'state'):
            run('rm', '-rf', directory)
            directory.mkdir()
        (WORK / 'gpuctld.log').unlink(missing_ok=True)
        (WORK / 'units.log').unlink(missing_ok=True)

    def client(self, user='root'):
        connected = self.sessions.connect(user) if self.sessions and user in UNITS else None
        return Client(Bus(self.uids[user], connected=connected))

    def close(self):
        for child in [self.daemon, *self.children]:
            if child and child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
        run('umount', '-l', '/sys')
