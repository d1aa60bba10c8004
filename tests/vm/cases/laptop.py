# SPDX-License-Identifier: GPL-2.0-or-later
"""The reference laptop without any virtual machine."""
import json
import re
import xml.etree.ElementTree as ET

from lab import cache
from lab.testing import AUDIO, DONE, GPU, ON_HOST, ON_VFIO, case, is_part

FIXTURE = cache.PROJECT / "tests" / "fixtures" / "reference-laptop.json"
INTERFACES = {"/org/gpuctl1": "org.gpuctl1.Manager", "/org/gpuctl1/gpus/0000_01_00": "org.gpuctl1.Gpu",
              "/org/gpuctl1/groups/15": "org.gpuctl1.IommuGroup"}


@case("gpuctl list of the reference laptop equals the fixture", main=True)
def list_equals_fixture(laptop):
    expected = json.loads(FIXTURE.read_text())["gpus"][0]
    listed = laptop.gpuctl("--json list", user="user").ended(DONE).json["gpus"]
    assert [gpu["address"] for gpu in listed] == ["0000:00:02.0", GPU], "the integrated GPU and the NVIDIA one"
    is_part(expected, listed[1])
    assert listed[0]["boot_display"], "the integrated GPU has the console"


@case("names come from udev's hardware database: they are there without pci.ids")
def names_without_table(laptop):
    laptop.run("mv /usr/share/misc/pci.ids /var/tmp/; systemctl restart gpuctld")
    listed = laptop.run("gpuctl list")
    assert "NVIDIA Corporation GA107M [GeForce RTX 3050 Ti Mobile]" in listed, listed


@case("gpuctl show and groups contain what lspci -nnk prints for the group")
def show_contains_lspci(laptop):
    lspci = [line.strip() for line in laptop.run("lspci -Dnnk -s 01:").splitlines()]
    for command in ("show 01:00", "groups"):
        said = [re.sub(r"\s+", " ", line) for line in laptop.gpuctl(command).ended(DONE).out.splitlines()]
        text = " ".join(said)
        missing = [line for line in lspci if re.sub(r"\s+", " ", line) not in text]
        assert not missing, f"gpuctl {command} lacks {missing}:\n" + "\n".join(said)


@case("attach without a VM and back: both functions, from nvidia and snd_hda_intel, nothing left behind", main=True)
def attach_and_back(laptop):
    laptop.bound(ON_HOST)
    settings = f"cd /sys/bus/pci/devices; cat {GPU}/power/control {AUDIO}/power/control {GPU}/d3cold_allowed"
    power = laptop.run(settings)
    laptop.gpuctl("attach").ended(DONE)
    laptop.bound(ON_VFIO)
    assert laptop.run("ls /dev/vfio/15").strip() == "/dev/vfio/15"
    assert laptop.gpu()["state"] == "vm"
    laptop.gpuctl("release").ended(DONE)
    laptop.bound(ON_HOST)
    laptop.no_override_left()
    assert laptop.gpu()["state"] == "host"
    laptop.run("test -c /dev/nvidia0")
    laptop.has_sound()
    laptop.settled(lambda: laptop.run(settings) == power, what=f"power settings as before: {power.split()}")


@case("attach ten times in a row: every round ends where it should")
def attach_and_back_ten_times(laptop):
    for _ in range(10):
        laptop.gpuctl("attach").ended(DONE)
        laptop.bound(ON_VFIO)
        laptop.gpuctl("release").ended(DONE)
        laptop.bound(ON_HOST)


@case("a request for what already holds succeeds at once and changes nothing")
def attach_twice(laptop):
    laptop.gpuctl("release 01:00").ended(DONE)
    laptop.gpuctl("attach").ended(DONE)
    before = laptop.host_state()
    laptop.gpuctl("attach").ended(DONE)
    laptop.changed_nothing(before)
    laptop.bound(ON_VFIO)


@case("--dry-run shows the steps in order and changes nothing")
def dry_run(laptop):
    before = laptop.host_state()
    said = laptop.gpuctl("attach --dry-run").ended(DONE).says(GPU, AUDIO, "vfio-pci").out
    assert said.rindex(AUDIO) < said.rindex(GPU), f"the audio function goes first:\n{said}"
    laptop.changed_nothing(before)


@case("busctl, gdbus and jq are clients as good as gpuctl")
def foreign_clients(laptop):
    reply = laptop.run("busctl --json=short call org.gpuctl1 /org/gpuctl1 org.gpuctl1.Manager Attach 'ssa{sv}' "
                       "01:00 '' 0")
    operation = json.loads(reply)["data"][0]
    laptop.settled(lambda: state_of(laptop, operation) != "running", 60, "the operation")
    assert state_of(laptop, operation) == "succeeded"
    laptop.bound(ON_VFIO)
    state = laptop.run("gpuctl --json list | jq -r '.gpus[] | select(.device_id == \"25a0\") | .state'").strip()
    assert state == "vm", state
    laptop.ask("gdbus call --system --dest org.gpuctl1 --object-path /org/gpuctl1/gpus/0000_01_00 "
               "--timeout 120 --method org.gpuctl1.Gpu.Release '@a{sv} {}'").ended(DONE)
    laptop.settled(lambda: laptop.drivers() == ON_HOST, 60, "release")


def state_of(laptop, operation):
    reply = laptop.run(f"busctl --json=short get-property org.gpuctl1 {operation} org.gpuctl1.Operation State")
    return json.loads(reply)["data"]


@case("what the daemon exports is what the installed interface files say")
def interface_files(laptop):
    for path, interface in INTERFACES.items():
        exported = ET.fromstring(laptop.run(f"gdbus introspect --system --xml --dest org.gpuctl1 --object-path {path}"))
        shipped = ET.fromstring(laptop.run(f"cat /usr/share/dbus-1/interfaces/{interface}.xml"))
        assert members(exported, interface) == members(shipped, interface), f"{path} differs from {interface}.xml"


def members(node, interface):
    """Methods, signals and properties with their signatures."""
    found = node.find(f"interface[@name='{interface}']")
    assert found is not None, f"no interface {interface}"
    return sorted((member.tag, member.get("name"), member.get("type") or "", member.get("access") or "",
                   tuple((arg.get("type"), arg.get("direction") or "out") for arg in member.findall("arg")))
                  for member in found if member.tag != "annotation")


@case("gpuctl monitor tells of the attach while it happens")
def monitor(laptop):
    laptop.run("systemd-run -q --unit=watcher -p StandardOutput=file:/tmp/monitor gpuctl monitor")
    laptop.settled(lambda: laptop.run("systemctl show -P ActiveState watcher").strip() == "active")
    laptop.gpuctl("list").ended(DONE)
    laptop.gpuctl("attach").ended(DONE)
    laptop.settled(lambda: "vm" in laptop.run("cat /tmp/monitor").split(), what="gpuctl monitor says vm")


@case("the daemon is started by the first call and is the only thing that runs")
def started_on_demand(laptop):
    laptop.run("systemctl stop gpuctld")
    laptop.gpuctl("list", user="user").ended(DONE)
    processes = laptop.run("ps -o comm= --ppid 2 -p 2 -N | grep -c '^gpuctld' || true").strip()
    assert processes == "1", f"{processes} gpuctld processes on an idle machine"
    laptop.run("systemctl is-active gpuctld")


@case("the doctor: neither root nor password, one last line, a report without serial numbers; journalctl -x tells what was done")
def doctor_and_journal(laptop):
    said = laptop.gpuctl("doctor --report /tmp/report.json", user="user").ended(DONE)
    assert said.out.splitlines()[-1] == "ready", said
    report = laptop.run("cat /tmp/report.json")
    assert {finding["id"] for finding in json.loads(report)["findings"]} >= {"iommu-kernel", "interrupt-remapping", "ready"}
    told = laptop.run("cat /etc/machine-id /proc/sys/kernel/random/boot_id; hostname; findmnt -no UUID /").split()
    assert not [word for word in told if word in report and word != "laptop"], told
    laptop.gpuctl("attach").ended(DONE)
    laptop.gpuctl("release").ended(DONE)
    laptop.ask("journalctl -b -x --no-pager -u gpuctld").says(
        "Moving GPU 0000:01:00 has begun", "GPU 0000:01:00 has been moved", "Documentation: man:gpuctl(1)")
    selected = laptop.run("journalctl -b --no-pager -o json GPU=0000:01:00 OPERATION=1 CALLER_UID=0").splitlines()
    ids = [json.loads(line).get("MESSAGE_ID") for line in selected]
    assert {"1fd5cbb8f26e44aaa528ce0d00d59f66", "5f8aa30e5df94fbe91433e77e5158c2f"} <= set(ids), selected
