# SPDX-License-Identifier: GPL-2.0-or-later
"""What gpuctl writes into definitions of libvirt, and what QEMU is to read because of it: ROMs, shared memory."""
import pathlib

from lab.testing import DONE, NOT_FOUND, case

from .lifecycle import home, in_vm, kill_qemu, put_gpu_into
from .vms import definition

DOMAINS = pathlib.Path(__file__).parents[2] / "domains"
BATTERY = "/usr/share/qemu/gpuctl-battery.aml"
AUTO_ROM = "/var/lib/gpuctl/rom/0000:01:00.0.rom"

# The smallest option ROM for UEFI: one image for x86-64, 512 bytes.
EFI_ROM = bytes.fromhex("55aa0100f10e00000b006486000000000000000000003800" "1c00000050434952de10a025000018000000000301000000"
                        "0380000000000000").ljust(512, b"\0")


def plug_with_rom(laptop, rom=EFI_ROM):
    path = laptop.directory / "card.rom"
    path.write_bytes(rom)
    laptop.plug(rom=path)


def inactive(laptop, vm):
    return laptop.run(f"virsh dumpxml --inactive {vm}")


def libvirt_accepts(laptop, vm):
    """By its schema, and by defining it again without a change."""
    before = inactive(laptop, vm)
    laptop.run(f"virsh dumpxml --inactive {vm} > /tmp/round-trip.xml; virt-xml-validate /tmp/round-trip.xml domain; "
               "virsh -q define --validate /tmp/round-trip.xml")
    assert inactive(laptop, vm) == before


def defined(laptop, name):
    """The VM's name. The hand-made one has that of a VM of the laptop."""
    laptop.shell.put(DOMAINS / f"{name}.xml", "/tmp/domain.xml")
    laptop.run("sed -i 's|<name>gaming</name>|<name>hand-made</name>|' /tmp/domain.xml; virsh define /tmp/domain.xml")
    return laptop.run("xmllint --xpath 'string(/domain/name)' /tmp/domain.xml").strip()


def set_up_and_undone(laptop, vm):
    before = inactive(laptop, vm)
    options = "--looking-glass 1920x1080 --battery --rom /root/card.rom --gpu 01:00"
    shown = laptop.gpuctl(f"vm setup {vm} {options} --dry-run").ended(DONE).says("+++", "looking-glass", BATTERY)
    assert inactive(laptop, vm) == before, "a dry run has changed it"
    laptop.gpuctl(f"vm setup {vm} {options}").ended(DONE).says(*(l for l in shown.out.splitlines() if l.startswith("+ ")))
    libvirt_accepts(laptop, vm)
    made = definition(laptop, vm)
    assert made.find("devices/shmem[@name='looking-glass']/size").text == "32", made
    assert BATTERY in inactive(laptop, vm) and "/root/card.rom" in inactive(laptop, vm)
    assert not laptop.gpuctl(f"vm setup {vm} {options}").ended(DONE).out.count("@@"), "it is all there already"
    laptop.gpuctl(f"vm setup {vm} --undo").ended(DONE)
    assert inactive(laptop, vm) == before, "undone, and not what it was"
    laptop.gpuctl(f"vm setup {vm} --undo").ended(NOT_FOUND)


@case("vm setup on five definitions of the real world: libvirt accepts them, and --undo gives back the very same")
def real_definitions(laptop):
    laptop.run("head -c 512 /dev/zero > /root/card.rom")
    for name in ("windows11", "linux", "hand-made", "two-gpus", "stale-hostdev"):
        vm = defined(laptop, name)
        set_up_and_undone(laptop, vm)
        laptop.gpuctl(f"vm check {vm}").says(vm)


@case("the card's ROM: shown, checked, written to a file, and given to the VM, which starts with it", card=None)
def rom_of_the_card(laptop):
    plug_with_rom(laptop)
    rom = laptop.gpuctl("--json rom show 01:00").ended(DONE).json["rom"]
    assert rom["size"] == 512 and rom["shows_picture_under_uefi"], rom
    laptop.gpuctl("rom check 01:00").ended(DONE).says("UEFI")
    laptop.gpuctl("rom dump 01:00 --output /tmp/card.rom").ended(DONE)
    assert laptop.run("od -An -v -tx1 /tmp/card.rom | tr -d ' \\n'") == EFI_ROM.hex()
    laptop.gpuctl("vm setup empty --rom auto").ended(DONE).says(AUTO_ROM)
    laptop.run(f"cmp /tmp/card.rom {AUTO_ROM}")
    laptop.gpuctl("attach empty --start").ended(DONE)
    in_vm(laptop)
    laptop.run(f"tr '\\0' ' ' < /proc/$(cat /run/libvirt/qemu/empty.pid)/cmdline | grep -q {AUTO_ROM}")
    assert laptop.gpuctl("--json vm list").ended(DONE)
    laptop.run("virsh destroy empty")
    home(laptop)


@case("a card without ROM: normal, says gpuctl, and what to do where a guest wants one")
def no_rom(laptop):
    laptop.gpuctl("rom check 01:00").says("no ROM of its own", "normal")
    laptop.gpuctl("rom show 01:00").says("normal")
    before = laptop.host_state()
    said = laptop.gpuctl("vm setup empty --rom auto").says("--rom FILE")
    assert said.status, said
    laptop.changed_nothing(before)


@case("Looking Glass: the shared memory belongs to who asked, before and after the VM starts")
def looking_glass(laptop):
    laptop.run("echo 'polkit.addRule(function(a, s) { if (a.id == \"org.gpuctl1.configure\" && s.user == \"user\") return "
               "\"yes\"; });' > /etc/polkit-1/rules.d/10-laptop.rules; systemctl restart polkit")
    laptop.gpuctl("vm setup empty --looking-glass 2560x1440", user="user").ended(DONE).says("/etc/tmpfiles.d/")
    assert laptop.run("cat /etc/tmpfiles.d/10-looking-glass.conf").split()[:3] == ["f", "/dev/shm/looking-glass", "0660"]
    access = "stat -c '%U %G %a' /dev/shm/looking-glass"
    assert laptop.run(access).split() == ["user", "kvm", "660"]
    laptop.gpuctl("looking-glass check empty", user="user").ended(DONE)
    laptop.gpuctl("attach empty --start").ended(DONE)
    in_vm(laptop)
    assert laptop.run(access).split() == ["user", "kvm", "660"]
    assert laptop.run("stat -c %s /dev/shm/looking-glass").strip() == str(64 << 20)
    laptop.gpuctl("looking-glass check empty", user="user").ended(DONE)
    laptop.gpuctl("looking-glass check empty", user="admin").says("cannot open")
    kill_qemu(laptop)
    home(laptop)


@case("under AppArmor, as Debian and Ubuntu have it: ROM, battery and Looking Glass work, by gpuctl and by the hook", card=None)
def confined_by_apparmor(laptop):
    laptop.run("sed -i s/apparmor=0/apparmor=1/ /etc/default/grub; update-grub; rm /etc/systemd/system/apparmor.service; "
               "sed -i '/^security_driver/d' /etc/libvirt/qemu.conf", timeout=300)
    plug_with_rom(laptop)
    laptop.reboot()
    assert "apparmor" in laptop.run("virsh capabilities")
    laptop.gpuctl("vm setup empty --rom auto --battery --looking-glass 1920x1080").ended(DONE)
    assert "AppArmor" not in laptop.gpuctl("vm check empty").out
    put_gpu_into(laptop, "gaming")
    for vm, start in (("empty", "gpuctl attach empty --start"), ("gaming", "virsh start gaming")):
        laptop.ask(start).ended(DONE)
        in_vm(laptop, vm)
        assert "libvirt-" in laptop.run(f"cat /proc/$(cat /run/libvirt/qemu/{vm}.pid)/attr/current")
        laptop.run(f"virsh destroy {vm}")
        home(laptop)
        laptop.gpuctl("release").ended(DONE)
    assert "gpuctl" not in laptop.run("dmesg | grep DENIED || true")
