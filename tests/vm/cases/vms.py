# SPDX-License-Identifier: GPL-2.0-or-later
"""Virtual machines of libvirt inside the emulated laptop."""
import time
import xml.etree.ElementTree as ET

from lab.testing import (AUDIO, DONE, GPU, NOT_FOUND, ON_HOST, ON_VFIO, REFUSED, case)

NESTED_BOOT = 600  # seconds at the very most: it is an emulation in an emulation
BOCHS_HOST = {GPU: "bochs-drm", AUDIO: "snd_hda_intel"}


def definition(laptop, vm):
    return ET.fromstring(laptop.run(f"virsh dumpxml --inactive {vm}"))


def host_devices(laptop, vm):
    """(managed, source function, guest slot and function) of each hostdev in the inactive definition."""
    found = []
    for device in definition(laptop, vm).findall("devices/hostdev"):
        source, target = device.find("source/address"), device.find("address")
        found.append((device.get("managed"), int(source.get("function"), 16),
                      tuple(int(target.get(k), 16) for k in ("bus", "slot", "function"))))
    return sorted(found, key=lambda entry: entry[1])


def serial_has(laptop, *ids):
    """The nested machine has said that its PCI scan finds all of these."""
    lines = laptop.run("grep ^PCI /tmp/gaming.serial 2>/dev/null || true").splitlines()
    return any(all(f"={wanted}" in line for wanted in ids) for line in lines)


def has_booted(laptop, *ids):
    """The nested machine runs, and finds all of these. Emulated in an emulation it was seen not to come up: it is reset then."""
    up = "grep -q ^NESTED-UP /tmp/gaming.serial"
    begin = time.monotonic()
    laptop.settled(lambda: laptop.ask(up).status == 0 or time.monotonic() > begin + NESTED_BOOT / 2, NESTED_BOOT)
    if laptop.ask(up).status != 0:
        print(f"    gaming does not boot and is reset:\n{laptop.evidence()}", flush=True)
        laptop.run("virsh reset gaming")
    laptop.settled(lambda: serial_has(laptop, *ids), NESTED_BOOT, "the VM sees the GPU")


def back_on_host(laptop, drivers):
    """After the machine has stopped: released by hand, or by the daemon, which has seen it stop."""
    laptop.settled(lambda: laptop.gpuctl("release 01:00").status == DONE, 120, "released")
    laptop.settled(lambda: laptop.drivers() == drivers and laptop.gpu()["state"] == "host", 60, "back on the host")
    laptop.no_override_left()


@case("attach to a VM and start it: its own PCI scan sees both functions; release after it stops", main=True)
def attach_to_started_vm(laptop):
    before = laptop.run("virsh dumpxml --inactive gaming")
    laptop.gpuctl("attach gaming --start").ended(DONE)
    laptop.bound(ON_VFIO)
    assert laptop.gpu()["vm"] == "gaming"
    devices = host_devices(laptop, "gaming")
    assert [device[:2] for device in devices] == [("no", 0), ("no", 1)], devices
    assert devices[0][2][:2] == devices[1][2][:2] and devices[0][2][2] == 0, f"not one multifunction device: {devices}"
    has_booted(laptop, "10de:25a0", "10de:2291")
    laptop.gpuctl("release").ended(REFUSED).says("gaming")
    laptop.bound(ON_VFIO)
    laptop.run("virsh destroy gaming")
    back_on_host(laptop, ON_HOST)
    assert laptop.run("virsh dumpxml --inactive gaming") == before, "the definition is not what it was"


@case("a GPU of another vendor goes to a VM and comes back", card="bochs", main=True)
def other_vendor(laptop):
    laptop.bound(BOCHS_HOST)
    laptop.run("virsh list")  # its start, by its socket, takes long here
    laptop.gpuctl("attach gaming --gpu 01:00 --start").ended(DONE)
    laptop.bound(ON_VFIO)
    has_booted(laptop, "1234:1111", "8086:2668")
    laptop.run("virsh destroy gaming")
    back_on_host(laptop, BOCHS_HOST)


@case("without --start only the definition changes, and release takes exactly that out again")
def cold_attach(laptop):
    before = laptop.run("virsh dumpxml --inactive gaming")
    laptop.gpuctl("attach gaming").ended(DONE)
    assert len(host_devices(laptop, "gaming")) == 2
    assert laptop.run("virsh domstate gaming").strip() == "shut off"
    laptop.gpuctl("release").ended(DONE)
    laptop.bound(ON_HOST)
    assert laptop.run("virsh dumpxml --inactive gaming") == before


@case("what others put into the definition stays there")
def foreign_hostdev_stays(laptop):
    laptop.run("""cat > /tmp/nic.xml <<'END'
<hostdev mode='subsystem' type='pci' managed='yes'><source>
<address domain='0x0000' bus='0x02' slot='0x00' function='0x0'/></source></hostdev>
END
virsh attach-device gaming /tmp/nic.xml --config""")
    laptop.gpuctl("attach gaming").ended(DONE)
    assert len(definition(laptop, "gaming").findall("devices/hostdev")) == 3
    laptop.gpuctl("release").ended(DONE)
    left = definition(laptop, "gaming").findall("devices/hostdev")
    assert len(left) == 1 and left[0].get("managed") == "yes"


@case("a running VM is refused without --live, and nothing changes")
def running_vm_refused(laptop):
    laptop.run("virsh start empty")
    before = laptop.host_state()
    laptop.gpuctl("attach empty").ended(REFUSED).says("empty", "--live")
    laptop.changed_nothing(before)


@case("a GPU that one VM has is not given to another")
def taken_gpu_refused(laptop):
    laptop.gpuctl("attach empty --start").ended(DONE)
    before = laptop.host_state()
    laptop.gpuctl("attach gaming --gpu 01:00").ended(REFUSED).says("empty")
    laptop.changed_nothing(before)


@case("an unknown VM is named; the word vm means the VM side")
def unknown_vm(laptop):
    before = laptop.host_state()
    laptop.gpuctl("attach nosuch").ended(NOT_FOUND).says("nosuch")
    laptop.changed_nothing(before)
    laptop.gpuctl("attach vm").ended(DONE)
    laptop.bound(ON_VFIO)


@case("without libvirtd everything that needs no VM works, and VM requests say what is missing")
def without_libvirt(laptop):
    laptop.run("systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd")
    laptop.gpuctl("list").ended(DONE)
    laptop.gpuctl("attach gaming").ended(REFUSED).says("libvirt")
    laptop.bound(ON_HOST)
    laptop.gpuctl("attach").ended(DONE)
    laptop.bound(ON_VFIO)
    laptop.gpuctl("release").ended(DONE)
    laptop.run("systemctl start libvirtd.socket")
    laptop.gpuctl("attach gaming").ended(DONE)
    laptop.gpuctl("release").ended(DONE)
    laptop.bound(ON_HOST)
