# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may do what, who comes first, and what nonsense is answered with."""
from lab import cache
from lab.testing import (DONE, NOT_AUTHORIZED, NOT_FOUND, ON_HOST, ON_VFIO, REFUSED, UNREACHABLE, USAGE, case, ended)

CALL = ("gdbus call --system --timeout 120 --dest org.gpuctl1 --object-path /org/gpuctl1 --method org.gpuctl1.Manager.")


@case("an unprivileged user without a rule: not authorized, exit 4, nothing changed; reading is free", main=True)
def without_rule(laptop):
    laptop.run("virsh list")  # its start, by its socket, takes long here
    before = laptop.host_state()
    laptop.gpuctl("list", user="user").ended(DONE)
    laptop.gpuctl("check", user="user").ended(DONE)
    laptop.gpuctl("attach", user="user").ended(NOT_AUTHORIZED)
    laptop.gpuctl("attach gaming --start", user="user").ended(NOT_AUTHORIZED)
    said = laptop.ask(CALL + "Attach 01:00 '' \"{'interactive': <false>}\"", user="user")
    assert said.status and "Error.NotAuthorized" in said.err, said
    laptop.changed_nothing(before)


@case("with the example rule a member of the group gpuctl attaches and releases", main=True)
def with_example_rule(laptop):
    rule = laptop.run("dpkg -L gpuctl | grep -E 'rules(\\.example)?$' | head -n 1").strip()
    assert rule, "the package ships no example rule"
    laptop.run(f"cp {rule} /etc/polkit-1/rules.d/10-gpuctl.rules; usermod -aG gpuctl user; systemctl restart polkit")
    laptop.gpuctl("attach", user="user").ended(DONE)
    laptop.bound(ON_VFIO)
    laptop.gpuctl("release", user="user").ended(DONE)
    laptop.bound(ON_HOST)
    laptop.gpuctl("attach", user="admin").ended(NOT_AUTHORIZED)


@case("two attaches at once: one works, the other is told Busy", main=True)
def two_at_once(laptop):
    laptop.run("mkdir -p /etc/gpuctl/gpuctl.toml.d; printf '[timeouts]\\nunbind = 300\\n' > /etc/gpuctl/gpuctl.toml.d/patient.toml; "
               "systemctl restart gpuctld")
    laptop.gpuctl("list").ended(DONE)
    laptop.stub(remove_hangs=1)
    first = laptop.background("gpuctl attach")
    laptop.settled(lambda: laptop.gpu()["state"] == "changing", what="the first one runs")
    laptop.gpuctl("attach").ended(REFUSED).says("01:00")
    laptop.stub(remove_hangs=0)
    ended(first).ended(DONE)
    laptop.bound(ON_VFIO)


@case("cancel stops an attach and takes everything back")
def cancelled(laptop):
    laptop.gpuctl("list").ended(DONE)
    laptop.stub(remove_delay_ms=5000)
    first = laptop.background("gpuctl attach")
    laptop.settled(lambda: laptop.gpu()["state"] == "changing", what="it runs")
    running = [o for o in laptop.gpuctl("--json operations").ended(DONE).json["operations"] if o["state"] == "running"]
    number = running[0].get("number", running[0].get("id"))
    laptop.gpuctl(f"cancel {number}", user="user").ended(NOT_AUTHORIZED)
    laptop.gpuctl(f"cancel {number}").ended(DONE)
    assert ended(first).status != DONE
    laptop.settled(lambda: laptop.drivers() == ON_HOST, what="back on the host")
    laptop.no_override_left()


WRONG_CALLS = [
    ("Attach 0000:77:00.0 '' '@a{sv} {}'", ("NotFound",)),
    ("Attach 0000:01:00.9 '' '@a{sv} {}'", ("InvalidArgument", "NotFound")),
    ("Attach 'no such card' '' '@a{sv} {}'", ("NotFound",)),
    ("Attach $(printf '\\001\\033[31m') '' '@a{sv} {}'", ("InvalidArgument", "NotFound")),
    ("Attach 01:00 nosuch '@a{sv} {}'", ("VmNotFound",)),
    ("Attach 01:00 '' \"{'force': <'yes'>}\"", ("InvalidArgument",)),
    ("Attach 01:00 '' \"{'turbo': <true>}\"", ("InvalidArgument",)),
    ("Release 0000:77:00.0 '@a{sv} {}'", ("NotFound",)),
    ("Plan explode 01:00 '' '@a{sv} {}'", ("InvalidArgument",)),
    ("Check 0000:77:00.0 '' '@a{sv} {}'", ("NotFound",)),
    ("ListUsers 0000:77:00.0", ("NotFound",)),
]


@case("bad input gets the error that names it, and nothing changes", main=True)
def bad_input(laptop):
    laptop.gpuctl("list").ended(DONE)
    before, pid = laptop.host_state(), laptop.daemon_pid()
    for call, names in WRONG_CALLS:
        said = laptop.ask(CALL + call)
        assert said.status and any(f"org.gpuctl1.Error.{name}:" in said.err for name in names), f"{call}: {said}"
    assert "turbo" in laptop.ask(CALL + WRONG_CALLS[6][0]).err, "the unknown option is not named"
    laptop.gpuctl("attach --gpu 0000:77:00.0").ended(NOT_FOUND)
    laptop.gpuctl("attach --no-such-option").ended(USAGE)
    laptop.gpuctl("cancel 4711").ended(NOT_FOUND)
    laptop.changed_nothing(before)
    assert laptop.daemon_pid() == pid, "the daemon has been restarted"


@case("strings of a megabyte are refused, to anybody, and the daemon stays", main=True)
def megabyte_strings(laptop):
    laptop.gpuctl("list").ended(DONE)
    before, pid = laptop.host_state(), laptop.daemon_pid()
    laptop.shell.put(cache.VM_DIR / "in-guest" / "send_long_strings.py", "/tmp/send.py")
    for user in ("root", "user"):
        laptop.ask("python3 /tmp/send.py", user=user).ended(DONE)
    laptop.changed_nothing(before)
    assert laptop.daemon_pid() == pid, "the daemon has been restarted"
    laptop.gpuctl("list").ended(DONE)


@case("no daemon to be had: exit 6")
def unreachable(laptop):
    laptop.run("systemctl mask --now gpuctld")
    laptop.gpuctl("list").ended(UNREACHABLE)
