# SPDX-License-Identifier: GPL-2.0-or-later
"""Start and activation by a real systemd: a container (systemd-nspawn) of this machine's own root, nothing of it changed."""
import json
import pathlib
import re
import shutil
import subprocess

from measured import Row

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
WORK = pathlib.Path('/run/gpuctl-bench')
ROOT = WORK / 'root'
SCRIPT = """[Unit]
Requires=dbus.service
After=dbus.service basic.target
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -B /bench/service_starts.py {}
StandardOutput=file:/bench/said
StandardError=file:/bench/error
"""
TARGET = '[Unit]\nRequires=basic.target bench.service\nAfter=basic.target\nAllowIsolate=yes\n'
WORKS = {'start to ready': [], 'stopped service to first reply': [('P8', None, 100)]}


def mounted():
    """In a mount namespace of its own: what is written there is gone with it."""
    WORK.mkdir(exist_ok=True)
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', WORK], check=True)
    for name in ('upper', 'work', 'root'):
        (WORK / name).mkdir()
    subprocess.run(['mount', '-t', 'overlay', 'overlay', '-o', f'lowerdir=/,upperdir={WORK}/upper,workdir={WORK}/work', ROOT], check=True)


def put(source, target, mode=0o644):
    target = ROOT / target.lstrip('/')
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def install(build, runs):
    """gpuctld as its package has it, the empty service, and the script that starts them."""
    unit = build / 'systemd-units/gpuctld.service'
    program = re.search(r'(?m)^ExecStart=(\S+)', unit.read_text())[1]
    put(build / 'daemon/gpuctld', program, 0o755)
    put(unit, '/usr/lib/systemd/system/gpuctld.service')
    alias = ROOT / 'etc/systemd/system/dbus-org.gpuctl1.service'
    alias.unlink(missing_ok=True)  # where gpuctl is installed it is there already
    alias.symlink_to('/usr/lib/systemd/system/gpuctld.service')
    put(SOURCE / 'dbus-interfaces/org.gpuctl1.conf', '/usr/share/dbus-1/system.d/org.gpuctl1.conf')
    put(build / 'dbus-interfaces/org.gpuctl1.service', '/usr/share/dbus-1/system-services/org.gpuctl1.service')
    put(build / 'tests/bench/bench_empty_service', '/usr/local/lib/bench_empty_service', 0o755)
    put(HERE / 'service_starts.py', '/bench/service_starts.py')
    (ROOT / 'etc/systemd/system/bench.service').write_text(SCRIPT.format(runs))
    (ROOT / 'etc/systemd/system/bench.target').write_text(TARGET)


def results(build, runs):
    mounted()
    install(build, runs)
    container = ['systemd-nspawn', '--quiet', '--register=no', '--keep-unit', '--link-journal=no', '--machine=gpuctl-bench',
                 '-D', ROOT, '--boot', 'systemd.unit=bench.target', 'systemd.show_status=0']
    done = subprocess.run(container, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode:
        error = ROOT / 'bench/error'
        raise RuntimeError(f'the container ended with {done.returncode}: {error.read_text() if error.exists() else "it did not start"}')
    return json.loads((ROOT / 'bench/said').read_text())


def rows(runs, build):
    nothing = {work: {'gpuctld': [], 'empty service': []} for work in WORKS}
    found = results(build, runs) if shutil.which('systemd-nspawn') else nothing
    ready = found['start to ready']
    above = [ours - theirs for ours, theirs in zip(*ready.values())]
    return [*(Row(work, 'ms', found[work], goals) for work, goals in WORKS.items()),
            Row('start to ready, above an empty service in the same sandbox', 'ms', {'gpuctld': above}, [('P8', None, 10)])]
