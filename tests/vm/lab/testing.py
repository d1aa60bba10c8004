# SPDX-License-Identifier: GPL-2.0-or-later
"""Test cases on the emulated laptop: a decorator to name one, and the laptop as a case sees it."""
import dataclasses
import json
import subprocess
import time
import typing

from .machine import Machine

GPU, AUDIO = "0000:01:00.0", "0000:01:00.1"
ON_HOST = {GPU: "nvidia", AUDIO: "snd_hda_intel"}
ON_VFIO = {GPU: "vfio-pci", AUDIO: "vfio-pci"}
DONE, FAILED, USAGE, REFUSED, NOT_AUTHORIZED, NOT_FOUND, UNREACHABLE = range(7)


@dataclasses.dataclass
class Case:
    """A scenario: TITLE says what must hold; RUN(laptop) fails if it does not. ALONE: it measures time, so nothing runs
    beside it. MAIN: it shows the main job end to end."""
    name: str
    title: str
    run: typing.Callable
    kind: str
    card: str
    iommu: str
    alone: bool
    main: bool


CASES = []


def case(title, kind="laptop", card="nvidia", iommu="intel", alone=False, main=False):
    def register(function):
        CASES.append(Case(function.__name__, title, function, kind, card, iommu, alone, main))
        return function
    return register


@dataclasses.dataclass
class Answer:
    """What a command said. Comparing the status shows the rest when it differs."""
    command: str
    status: int
    out: str
    err: str
    seconds: float

    @property
    def json(self):
        return json.loads(self.out)

    def ended(self, status):
        assert self.status == status, f"exit status {self.status}, expected {status}\n{self}"
        return self

    def says(self, *fragments):
        for fragment in fragments:
            assert fragment in self.out + self.err, f"does not say {fragment!r}\n{self}"
        return self

    def __str__(self):
        return f"  $ {self.command}   ({self.seconds:.2f} s, exit {self.status})\n" + "".join(
            f"  | {line}\n" for line in (self.out + self.err).splitlines())


class Laptop(Machine):
    """The product as its users meet it, and the kernel's own word about what it did."""

    def ask(self, command, user="root", timeout=120):
        start = time.monotonic()
        done = self.shell.run(command, user, timeout)
        return Answer(command, done.returncode, done.stdout, done.stderr, time.monotonic() - start)

    def gpuctl(self, arguments, user="root", timeout=120):
        return self.ask(f"gpuctl {arguments}", user, timeout)

    def gpu(self, address=GPU):
        """One GPU of `gpuctl --json list`, or None."""
        found = self.gpuctl("--json list").ended(DONE).json["gpus"]
        return next((gpu for gpu in found if gpu["address"] == address), None)

    def drivers(self, *addresses):
        """By the kernel: {address: driver or None}; a function that is gone is not in it."""
        wanted = " ".join(addresses or (GPU, AUDIO))
        lines = self.run(f"cd /sys/bus/pci/devices; for f in {wanted}; do [ -e $f ] || continue; "
                         "echo $f $(basename $(readlink $f/driver || true)); done").splitlines()
        return {address: (driver or [None])[0] for address, *driver in map(str.split, lines)}

    def host_state(self):
        """Everything about all PCI functions and domains that a refused request must leave as it was. Operations may be
        counted: one that a second look refuses has its number."""
        return self.run("cd /sys/bus/pci/devices; for f in *; do echo $f $(readlink $f/driver) $(cat $f/driver_override "
                        "$f/power/control $f/d3cold_allowed 2>/dev/null); done; "
                        "for d in gaming empty; do virsh dumpxml --inactive $d; done; virsh -q list --all; "
                        "find /var/lib/gpuctl /run/gpuctl -xdev -type f ! -path /run/gpuctl/operations/last 2>/dev/null || true")

    def changed_nothing(self, before):
        after = self.host_state()
        difference = [line for line in set(before.splitlines()) ^ set(after.splitlines())]
        assert not difference, "something has changed:\n" + "\n".join(sorted(difference))

    def bound(self, expected):
        actual = self.drivers(*expected)
        assert actual == expected, f"bound to {actual}, expected {expected}"

    def no_override_left(self, *addresses):
        for address in addresses or (GPU, AUDIO):
            override = self.run(f"cat /sys/bus/pci/devices/{address}/driver_override").strip()
            assert override == "(null)", f"{address} still has the override {override!r}"

    def settled(self, condition, timeout=90, what="condition"):
        """Waits until CONDITION() is true. For things that come from outside: the kernel, libvirt, a restart."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {timeout} s"
            time.sleep(0.1)

    def has_sound(self):
        """Of the card; its driver does most of its work after it is bound."""
        self.settled(lambda: self.ask("grep -q NVidia /proc/asound/cards").status == 0, what="its sound card")

    def stub(self, **parameters):
        """Sets parameters of the nvidia stub: probe_error, remove_delay_ms, remove_hangs, ..."""
        self.run("; ".join(f"echo {value} > /sys/module/nvidia/parameters/{name}" for name, value in parameters.items()))

    def daemon_pid(self):
        return int(self.run("systemctl show -P MainPID gpuctld"))

    def evidence(self):
        """For the report of a failed case."""
        return self.ask("journalctl -b -u gpuctld --no-pager -o cat | tail -n 40; echo; dmesg | tail -n 15; echo; "
                        "lspci -nnk -d ::0300; lspci -nnk -d ::0403; virsh list --all; "
                        "tail -n 15 /tmp/gaming.serial 2>/dev/null; tail -n 15 /var/log/libvirt/qemu/gaming.log 2>/dev/null",
                        timeout=30).out

    def background(self, command, user="root"):
        """A command that goes on; its output can be read from the returned process."""
        return self.shell.start(command, user)


def ended(process, timeout=120):
    """An Answer from a `background` process."""
    start = time.monotonic()
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    return Answer(process.args[-1], process.returncode, out, err, time.monotonic() - start)


def is_part(expected, actual, where="$"):
    """Every key and value of EXPECTED is in ACTUAL, lists item by item."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert key in actual, f"{where}.{key} is missing"
            is_part(value, actual[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(expected) == len(actual), f"{where}: {len(actual)} items, expected {len(expected)}"
        for number, (one, other) in enumerate(zip(expected, actual)):
            is_part(one, other, f"{where}[{number}]")
    else:
        assert expected == actual, f"{where} is {actual!r}, expected {expected!r}"
