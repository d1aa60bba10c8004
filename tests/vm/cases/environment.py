# SPDX-License-Identifier: GPL-2.0-or-later
"""What else happens to the machine while a GPU moves: libvirt ends or begins anew, the clock is set. GPUCTL_MOMENTS=all by hand:
at each step; else at a few of them."""
import os

from lab import cache
from lab.testing import DONE, FAILED, case

from .faults import whole

STRIDE = 2 if os.environ.get("GPUCTL_MOMENTS") == "all" else 12  # two progress reports a step
ALL_OF_LIBVIRT = "libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd"
ENDS = f"systemctl stop {ALL_OF_LIBVIRT}"
BEGINS_ANEW = "systemctl restart libvirtd"


def put_scripts(laptop):
    laptop.shell.put(cache.VM_DIR.parent / "bus" / "dbus_wire.py", "/tmp/dbus_wire.py")
    laptop.shell.put(cache.VM_DIR / "in-guest" / "at_step.py", "/tmp/at_step.py")


def interrupted(laptop, number, command, arguments):
    """gpuctl's exit status; None when it was over before."""
    status, how = laptop.run(f"python3 /tmp/at_step.py {number} '{command}' {arguments}", timeout=240).split(maxsplit=1)
    return int(status) if how.strip() == "reached" else None


def settled(laptop):
    laptop.run("systemctl start libvirtd.socket")
    laptop.settled(lambda: whole(laptop) and laptop.gpu()["state"] in ("host", "vm"), 120, "the GPU is whole")


def brought_home(laptop, before):
    """From wherever it is, with the VM as it was."""
    settled(laptop)
    laptop.ask("virsh destroy gaming")
    laptop.settled(lambda: laptop.ask("gpuctl release").status == DONE, 120, "released")
    laptop.settled(lambda: whole(laptop) == "host" and laptop.gpu()["state"] == "host", 60, "back on the host")
    laptop.no_override_left()
    after = laptop.run("virsh dumpxml --inactive gaming")
    assert after == before, f"the definition is not what it was:\n{after}"


def at_each_moment(laptop, command, arguments, begin, allowed):
    """How many there were."""
    put_scripts(laptop)
    before, number = laptop.run("virsh dumpxml --inactive gaming"), 1
    while True:
        begin()
        status = interrupted(laptop, number, command, arguments)
        assert status is None or status in allowed, f"exit {status} at moment {number} of {arguments}: {command}"
        brought_home(laptop, before)
        if status is None:
            return number // STRIDE
        number += STRIDE


def while_attached(laptop):
    return lambda: laptop.gpuctl("attach gaming").ended(DONE)


@case("libvirt is stopped at a step of an attach with its VM's start: done or taken back, and home again afterwards")
def libvirt_ends_during_attach(laptop):
    count = at_each_moment(laptop, ENDS, "attach gaming --start", lambda: None, (DONE, FAILED))
    print(f"{count} moments", flush=True)


@case("libvirt begins anew at a step of an attach with its VM's start: done or taken back, and home again afterwards")
def libvirt_anew_during_attach(laptop):
    count = at_each_moment(laptop, BEGINS_ANEW, "attach gaming --start", lambda: None, (DONE, FAILED))
    print(f"{count} moments", flush=True)


@case("libvirt is stopped, or begins anew, at a step of a release: the GPU comes home, and the VM's definition is as before")
def libvirt_ends_during_release(laptop):
    count = sum(at_each_moment(laptop, command, "release", while_attached(laptop), (DONE, FAILED))
                for command in (ENDS, BEGINS_ANEW))
    print(f"{count} moments", flush=True)


@case("the clock jumps a day ahead, and a year back, at a step of an attach and of a release: nobody minds")
def clock_is_set(laptop):
    for jump in ("+1 day", "-1 year"):
        command = f'date -s "{jump}" > /dev/null'
        count = at_each_moment(laptop, command, "attach gaming", lambda: None, (DONE,))
        count += at_each_moment(laptop, command, "release", while_attached(laptop), (DONE,))
        print(f"{count} moments, {jump}", flush=True)
