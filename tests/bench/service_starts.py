# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs where systemd is the first process and gpuctld is installed: how soon it is ready, and answers, after a start.
/usr/local/lib/bench_empty_service is the floor of every service, run in gpuctld's own sandbox.
usage: service_starts.py RUNS; prints {work: {tool: [milliseconds, ...]}} as JSON."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time

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


def installed(program):
    return any(os.access(f'{directory}/{program}', os.X_OK) for directory in os.get_exec_path())


def in_turns(runs, work, results, commands, before=None):
    """No samples for a tool that is not installed."""
    found = results.setdefault(work, {tool: [] for tool in commands})
    there = {tool: command for tool, command in commands.items() if installed(command[0])}
    for round_ in range(runs + 1):
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


def starts(runs, results):
    """Until the job of the start has ended, and from a call that starts it to its answer, by one client for all."""
    install_empty_service()
    both = ('gpuctld', 'empty service')
    in_turns(runs, 'start to ready', results, {tool: ['systemctl', 'start', SERVICES[tool][1]] for tool in both}, stop)
    ping = {tool: ['busctl', 'call', name, path, 'org.freedesktop.DBus.Peer', 'Ping'] for tool, (name, _, path) in SERVICES.items()}
    in_turns(runs, 'stopped service to first reply', results, ping, stop)


def main():
    results = {}
    starts(int(sys.argv[1]), results)
    print(json.dumps(results))


if __name__ == '__main__':
    main()
