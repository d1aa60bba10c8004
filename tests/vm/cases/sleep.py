# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's sleep, by the real logind; the kernel itself stays awake."""
from lab.testing import DONE, ON_HOST, ON_VFIO, case

LOCKS = "systemd-inhibit --list --no-legend --no-pager"
SLEEP_UNIT = "systemd-suspend.service"


def locks(laptop):
    """Those that forbid. The one that delays, to hear of a sleep in time, is always there."""
    return [line for line in laptop.run(LOCKS).splitlines() if line.startswith("gpuctl") and " block" in line]


def sleeps_until_woken(laptop):
    """What logind starts for a suspend just waits: everything before and after it is real."""
    laptop.run(f"mkdir -p /run/systemd/system/{SLEEP_UNIT}.d; touch /run/asleep; printf '[Service]\\nExecStart=\\nExecStart="
               f"/bin/sh -c \"while [ -e /run/asleep ]; do sleep 0.2; done\"\\n' > /run/systemd/system/{SLEEP_UNIT}.d/test.conf; "
               "systemctl daemon-reload")


def wake(laptop):
    laptop.run("rm /run/asleep")


def asleep(laptop):
    return laptop.run(f"systemctl show -P ActiveState {SLEEP_UNIT}").strip() in ("activating", "active")


@case("while a VM has the GPU the machine is kept awake, and told why; no longer than that")
def vm_keeps_awake(laptop):
    sleeps_until_woken(laptop)
    assert not locks(laptop), locks(laptop)
    laptop.gpuctl("attach empty --start").ended(DONE)
    laptop.settled(lambda: locks(laptop), what="a lock against sleep")
    (lock,) = locks(laptop)
    assert "sleep" in lock and "block" in lock and "virtual machine" in lock, lock
    refused = laptop.ask("systemctl suspend --check-inhibitors=yes")
    assert refused.status != 0, f"the machine went to sleep\n{refused}"
    refused.says("gpuctl", "virtual machine")
    assert not asleep(laptop)
    laptop.run("virsh destroy empty")
    laptop.settled(lambda: not locks(laptop), 60, "the lock goes with the VM")
    laptop.gpuctl("release 01:00")
    laptop.settled(lambda: laptop.drivers() == ON_HOST, 60, "back on the host")
    laptop.ask("systemctl suspend --check-inhibitors=yes").ended(0)
    laptop.settled(lambda: asleep(laptop), what="asleep")


@case("between falling asleep and waking nothing is begun; then it is")
def nothing_begins_asleep(laptop):
    laptop.gpuctl("list").ended(DONE)
    sleeps_until_woken(laptop)
    before = laptop.host_state()
    laptop.run("systemctl suspend")
    laptop.settled(lambda: asleep(laptop), what="asleep")
    answer = laptop.gpuctl("attach")
    assert answer.status != DONE, f"an operation began while the machine went to sleep\n{answer}"
    answer.says("sleep")
    laptop.changed_nothing(before)
    wake(laptop)
    laptop.settled(lambda: not asleep(laptop), 60, "awake")
    laptop.settled(lambda: laptop.gpuctl("attach").status == DONE, what="an operation after the sleep")
    laptop.bound(ON_VFIO)
