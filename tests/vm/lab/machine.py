# SPDX-License-Identifier: GPL-2.0-or-later
"""One running emulated machine: QEMU, the fake functions beside it, and a shell in it."""
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

from . import cache, guest_image, hardware, toolbox
from .qmp import Qmp
from .shell import Shell

class MachineFailed(RuntimeError):
    pass


class Machine:
    """In `with`, it is off and forgotten at the end. tied=True: it also dies with the process that started it."""

    def __init__(self, name=None, kind="laptop", iommu="intel", kernel_arguments="", tied=True):
        self.name = name or f"{os.getpid()}-{id(self):x}"
        self.kind, self.iommu, self.kernel_arguments, self.tied = kind, iommu, kernel_arguments, tied
        self.directory = cache.ROOT / "run" / self.name
        self.processes, self.fakes = [], {}

    # life

    def boot(self, timeout=900):
        """From power-on until udev has settled and the shell answers."""
        image = guest_image.path()
        *started_by, append = hardware.kernel(image, self.iommu)
        self.launch(image, (image / "disk.raw", "raw"), [*started_by, f"{append} {self.kernel_arguments}"])
        self.wait_until(self.ready, timeout, "boot")
        self.connect()
        self.settle()
        return self

    def ready(self, since=0):
        console = self.console()[since:]
        if "Kernel panic" in console:
            raise MachineFailed(f"the kernel of the machine has panicked:\n{console[-3000:]}")
        return "LAPTOP-READY" in console

    def reboot(self, timeout=600):
        """Down and up again: firmware, GRUB as the machine's own grub.cfg has it, kernel; a plugged card is there
        from the start. Only after `restore`."""
        before = len(self.console())
        self.shell.run("systemctl reboot")
        self.shell.close()
        self.wait_until(lambda: self.ready(before), timeout, "reboot")
        self.connect()
        self.settle()

    def restore(self, snapshot, timeout=600):
        """Goes on where `save` stopped: two or three seconds."""
        self.snapshot_lock = cache.use(snapshot)
        self.kind = json.loads((snapshot / "machine.json").read_text())["kind"]
        image = guest_image.path()
        self.launch(image, (snapshot / "disk.qcow2", "qcow2"), [*hardware.boot_loader(image), "-incoming", "defer"])
        self.qmp.execute("migrate-incoming", uri=f"file:{snapshot}/memory")
        self.wait_until(lambda: self.qmp.execute("query-status")["status"] in ("paused", "running"), timeout, "restore")
        self.qmp.execute("cont")
        self.connect()
        self.run(f"date -s @{time.time():.0f}")
        return self

    def save(self, directory):
        """RAM and disk into DIRECTORY; the machine is off afterwards. No vfio-user device may be plugged."""
        self.run("sync")
        self.qmp.execute("stop")
        self.qmp.execute("migrate-set-parameters", **{"max-bandwidth": 10**11})
        self.qmp.execute("migrate", uri=f"file:{directory}/memory")
        self.wait_until(lambda: self.qmp.execute("query-migrate")["status"] in ("completed", "failed"), 600, "save")
        outcome = self.qmp.execute("query-migrate")
        if outcome["status"] != "completed":
            raise MachineFailed(f"cannot save: {outcome.get('error-desc')}")
        self.power_off()
        (self.directory / "disk.qcow2").rename(directory / "disk.qcow2")
        (directory / "machine.json").write_text(json.dumps({"kind": self.kind}))

    def launch(self, image, backing, started_by):
        cache.remove(self.directory)
        self.directory.mkdir(parents=True)
        self.key = image / "ssh-key"
        binds = [(cache.ROOT, str(cache.ROOT))]
        toolbox.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", backing[0], "-F", backing[1],
                     self.directory / "disk.qcow2"], binds=binds)
        command = hardware.command(self.directory, self.kind, self.iommu, started_by)
        self.spawn("qemu", toolbox.command(command, binds=binds))
        try:
            self.qmp = Qmp(self.directory / "qmp.sock")
        except OSError as error:
            raise MachineFailed(f"QEMU does not answer ({error}): {(self.directory / 'qemu.log').read_text()}") from None

    def spawn(self, name, command):
        tie = ["setpriv", "--pdeathsig", "KILL"] if self.tied else []
        with open(self.directory / f"{name}.log", "w") as log:
            process = subprocess.Popen([*tie, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cache.VM_DIR,
                                       start_new_session=True)
        self.processes.append(process)
        self.remember()
        return process

    def remember(self):
        """For stop_by_name: these processes, and those of the `vm` that has started the machine."""
        record = self.directory / "machine.json"
        known = json.loads(record.read_text()) if record.exists() else {"pids": [], "kind": self.kind}
        known["pids"] += [process.pid for process in self.processes if process.pid not in known["pids"]]
        record.write_text(json.dumps(known))

    def connect(self):
        self.attach()
        self.wait_until(lambda: self.shell.run("true").returncode == 0, 600, "shell")

    def settle(self):
        """Until udev has nothing left to do: the unit that says LAPTOP-READY gives up waiting for it after a minute."""
        self.run("until udevadm settle -t 60; do :; done", timeout=600)

    def attach(self):
        forwarded = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)", self.qmp.human("info usernet"))
        self.shell = Shell(self.directory, self.key, int(forwarded[1]))

    def wait_until(self, condition, timeout, what):
        deadline = time.monotonic() + timeout
        while not condition():
            if self.processes[0].poll() is not None:
                raise MachineFailed(f"QEMU has ended: {(self.directory / 'qemu.log').read_text()}")
            if time.monotonic() > deadline:
                raise MachineFailed(f"{what}: not done after {timeout} s\n" + self.console()[-3000:])
            time.sleep(0.05)

    def console(self):
        return (self.directory / "serial.log").read_text(errors="replace")

    def power_off(self):
        if getattr(self, "shell", None):
            self.shell.close()
        if getattr(self, "qmp", None):
            self.qmp.close()
        for process in self.processes:
            end(process)
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.power_off()
        cache.remove(self.directory)

    # shell

    def run(self, command, user="root", timeout=120, **options):
        """The finished process; raises when the command fails."""
        done = self.shell.run(command, user, timeout, **options)
        if done.returncode:
            raise MachineFailed(f"{command!r} as {user}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    # devices

    def plug(self, card="nvidia", port="rp1", rom=None, wait=True):
        devices = hardware.card(card, port)
        for device in devices:
            properties = dict(device)
            properties["id"] = f"{port}-{properties['id']}"
            if "fake" in properties:
                path = self.serve(properties["id"], properties.pop("fake"), properties.pop("ids", None), rom)
                properties["socket"] = {"type": "unix", "path": str(path)}
            self.qmp.execute("device_add", **properties)
        if wait:
            self.wait_for_drivers(devices, port)

    def serve(self, name, kind, ids, rom):
        path = self.directory / f"{name}.sock"
        path.unlink(missing_ok=True)  # of the card that sat there before
        more = ["--ids", ids] if ids else []
        more += ["--rom", rom] if rom and kind == "gpu" else []
        self.spawn(name, [sys.executable, "-m", "fakepci", "--socket", path, "--kind", kind, *more])
        self.wait_until(path.exists, 20, f"fakepci {kind}")
        return path

    def wait_for_drivers(self, devices, port):
        """Until every function of the card is as its driver leaves it, and udev has nothing left to do."""
        bus = int(port.removeprefix("rp"))
        there = " && ".join(test.replace("@", f"0000:{bus:02x}:00.{device['addr'][-1]}")
                            for device in devices for test in hardware.at_rest(device))
        self.run(f"cd /sys/bus/pci/devices; until {there}; do sleep 0.1; done; udevadm settle -t 120", timeout=300)

    def unplug(self, device="rp1-gpu0"):
        """An orderly eject of the whole slot; the guest's drivers may delay it."""
        self.qmp.execute("device_del", id=device)

    def tell_fake(self, command, device="rp1-gpu0"):
        """gone, back, hangup, counts: see fakepci."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(command.encode(), str(self.directory / f"{device}.sock.control"))


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop_by_name(name):
    """Ends a machine that another process has started."""
    directory = cache.ROOT / "run" / name
    for pid in json.loads((directory / "machine.json").read_text())["pids"]:
        try:
            ended = os.pidfd_open(pid)
            signal.pidfd_send_signal(ended, signal.SIGTERM)
            if not select.select([ended], [], [], 10)[0]:
                signal.pidfd_send_signal(ended, signal.SIGKILL)
                select.select([ended], [], [], 10)
            os.close(ended)
        except ProcessLookupError:
            pass
    cache.remove(directory)
