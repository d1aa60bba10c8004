# SPDX-License-Identifier: GPL-2.0-or-later
"""Callers with a session of systemd-logind or a user of systemd's making, where a system is booted: `./run test_authorization`."""
import os
import shutil
import socket
import struct
import subprocess

from places import HERE, WORK

IS_BOOTED = 'GPUCTL_BOOTED' in os.environ
LOGIN = ['-p', 'PAMName=login', '-E', 'XDG_SESSION_TYPE=tty', '-E', 'XDG_SESSION_CLASS=user']
UNITS = {'ann': ['--uid=ann', *LOGIN, '-E', 'XDG_SEAT=seat0'], 'sid': ['--uid=sid', *LOGIN], 'dynamic': ['-p', 'DynamicUser=yes']}


class Sessions:
    def __init__(self, bus):
        self.callers, self.uids = {}, {}
        program, place = WORK / 'session_caller.py', WORK / 'callers'
        shutil.copyfile(HERE / 'session_caller.py', program)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.bind(str(place))
            door.listen()
            door.settimeout(30)
            place.chmod(0o666)
            for name, how in UNITS.items():
                subprocess.run(['systemd-run', '--quiet', '--collect', f'--unit=caller-{name}', *how,
                                '/usr/bin/python3', program, name, place, bus], check=True)
            for _ in UNITS:
                self._enter(door.accept()[0])

    def _enter(self, caller):
        name = caller.recv(64).decode()
        credentials = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize('3i'))
        self.callers[name], self.uids[name] = caller, struct.unpack('3i', credentials)[1]

    def connect(self, name):
        """A new connection to the bus that is this caller's."""
        self.callers[name].send(b'.')
        return socket.socket(fileno=socket.recv_fds(self.callers[name], 1, 1)[1][0])

    def close(self):
        for caller in self.callers.values():
            caller.close()
