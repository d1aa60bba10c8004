# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of org.freedesktop.systemd1 that gpuctld uses, on the private bus: modprobe@ and gpuctl-rmmod@ act on fakesys,
gpuctl-apply@ runs the shipped program on this namespace's own /etc."""
import json
import socket
import subprocess
import sys

sys.path.insert(0, __file__.rsplit('/', 1)[0])
from dbus_wire import Bus, DBusError, Disconnected, Message, ERROR, NO_REPLY_EXPECTED  # noqa: E402

MANAGER, PATH = 'org.freedesktop.systemd1.Manager', '/org/freedesktop/systemd1'


class FakeSystemd:
    def __init__(self, control, log, apply):
        self.bus, self.jobs, self.control, self.log, self.apply = Bus(), 0, control, log, apply
        self.bus.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'RequestName', 'su',
                      ['org.freedesktop.systemd1', 4])

    def fake(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.control)
            s.sendall(command.encode() + b'\n')
            return json.loads(s.makefile().readline())

    def run_unit(self, method, unit):
        """The job's result. modprobe@ hides failures, as systemd's does; gpuctl-rmmod@ does not."""
        module = unit.removesuffix('.service').partition('@')[2]
        if method == 'StartUnit' and unit.startswith('modprobe@'):
            self.fake(f'load {module}')
        elif method == 'StartUnit' and unit.startswith('gpuctl-rmmod@'):
            return 'done' if 'ok' in self.fake(f'unload {module}') else 'failed'
        elif method == 'StartUnit' and unit.startswith('gpuctl-apply@'):
            return 'done' if subprocess.run([self.apply, 'request', module], check=False).returncode == 0 else 'failed'
        return 'done'

    def answer(self, call):
        if call.member in ('Subscribe', 'Unsubscribe', 'ResetFailedUnit'):
            self.bus.return_to(call)
        elif call.member in ('StartUnit', 'StopUnit', 'RestartUnit'):
            self.jobs += 1
            job, unit = f'{PATH}/job/{self.jobs}', call.body[0]
            print(call.member, unit, file=self.log, flush=True)
            result = self.run_unit(call.member, unit)
            self.bus.return_to(call, 'o', [job])
            self.bus.signal(PATH, MANAGER, 'JobRemoved', 'uoss', [self.jobs, job, unit, result])
        else:
            self.bus.send(Message(ERROR, flags=NO_REPLY_EXPECTED, destination=call.sender, reply_serial=call.serial,
                                  error_name='org.freedesktop.DBus.Error.UnknownMethod', signature='s', body=[call.member]))

    def serve(self):
        while True:
            self.bus.receive(3600)
            while self.bus.calls:
                self.answer(self.bus.calls.pop(0))


if __name__ == '__main__':
    try:
        FakeSystemd(sys.argv[1], open(sys.argv[2], 'a'), sys.argv[3]).serve()
    except (Disconnected, DBusError, KeyboardInterrupt):
        pass
