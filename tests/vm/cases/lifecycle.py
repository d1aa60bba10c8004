# SPDX-License-Identifier: GPL-2.0-or-later
"""Machines of libvirt that start and end by any hand: libvirt's hook fetches the GPU, and it comes back by itself."""
import time

from lab.testing import DONE, ON_HOST, ON_VFIO, REFUSED, case, ended

from .vms import definition, host_devices

# The smallest guest that powers itself off: its boot sector writes S5 to the power management port of q35.
POWER_OFF = r"\xba\x04\x06\xb8\x00\x20\xef\xf4\xeb\xfd"
BOOT_DISK = "/var/lib/libvirt/images/power-off.img"


def put_gpu_into(laptop, vm, managed="no", functions=(0, 1)):
    """As virsh edit or virt-manager do it: the functions of the slot, guest addresses left to libvirt."""
    devices = "".join(f"<hostdev mode='subsystem' type='pci' managed='{managed}'><source><address domain='0x0000' "
                      f"bus='0x01' slot='0x00' function='0x{function}'/></source></hostdev>" for function in functions)
    laptop.run(f"virsh dumpxml --inactive {vm} | sed \"s|</devices>|{devices}&|\" > /tmp/{vm}.xml; "
               f"virsh -q define /tmp/{vm}.xml")


def in_vm(laptop, vm="empty"):
    laptop.bound(ON_VFIO)
    assert laptop.run(f"virsh domstate {vm}").strip() == "running"
    laptop.settled(lambda: laptop.gpu()["vm"] == vm, what=f"gpuctl says that {vm} has it")


def home(laptop, timeout=60):
    """By itself: on the drivers of before, nothing left behind, both functions usable."""
    laptop.settled(lambda: laptop.drivers() == ON_HOST and laptop.gpu()["state"] == "host", timeout, "the GPU is home")
    laptop.no_override_left()
    laptop.run("true < /dev/nvidia0")
    laptop.has_sound()


def kill_qemu(laptop, vm="empty"):
    laptop.run(f"kill -9 $(cat /run/libvirt/qemu/{vm}.pid)")


def stays_on_vfio(laptop, seconds=4):
    """Nothing is to happen, so there is no event to wait for."""
    time.sleep(seconds)
    laptop.bound(ON_VFIO)


@case("virsh start with managed='no': the hook takes the GPU first; virsh destroy: it is back, and so every time",
      main=True)
def started_by_virsh(laptop):
    put_gpu_into(laptop, "empty")
    before = laptop.run("virsh dumpxml --inactive empty")
    for _ in range(2):
        laptop.run("virsh start empty")
        in_vm(laptop)
        laptop.run("virsh destroy empty")
        home(laptop)
    assert laptop.run("virsh dumpxml --inactive empty") == before


@case("virsh start with managed='yes', as virt-manager writes it: taken and given back in the same way")
def managed_by_libvirt(laptop):
    put_gpu_into(laptop, "empty", managed="yes")
    laptop.run("virsh start empty")
    in_vm(laptop)
    laptop.run("virsh destroy empty")
    home(laptop)


@case("a network card in the GPU's slot that libvirt hands to the same VM goes along: virsh start, and all of it home again",
      card="nvidia-with-nic")
def goes_along(laptop):
    nic = "0000:01:00.2"
    before = laptop.drivers(nic)
    assert before[nic], before
    put_gpu_into(laptop, "empty", managed="yes", functions=(0, 1, 2))
    laptop.run("virsh start empty")
    in_vm(laptop)
    laptop.bound({nic: "vfio-pci"})
    laptop.run("virsh destroy empty")
    home(laptop)
    laptop.bound(before)


@case("a guest that powers itself off gives the GPU back")
def guest_powers_off(laptop):
    put_gpu_into(laptop, "empty")
    laptop.run(f"printf '{POWER_OFF}' > {BOOT_DISK}; truncate -s 510 {BOOT_DISK}; printf '\\x55\\xaa' >> {BOOT_DISK}; "
               f"truncate -s 1M {BOOT_DISK}; virsh attach-disk empty {BOOT_DISK} sda --targetbus sata --config")
    laptop.run("virsh start empty")
    laptop.settled(lambda: "shutdown" in laptop.run("virsh domstate --reason empty"), 60, "the guest is off")
    home(laptop)
    assert "attach of 0000:01:00" in laptop.run("journalctl -u gpuctld -o cat"), "it never had the GPU"


@case("kill -9 of QEMU: the GPU is back")
def qemu_killed(laptop):
    put_gpu_into(laptop, "empty")
    laptop.run("virsh start empty")
    kill_qemu(laptop)
    home(laptop)


@case("libvirtd and gpuctld restart while the VM runs: it keeps the GPU, which is back after its end")
def daemons_restart(laptop):
    put_gpu_into(laptop, "empty")
    laptop.run("virsh start empty")
    laptop.run("systemctl restart libvirtd")
    in_vm(laptop)
    laptop.run("systemctl restart gpuctld")
    in_vm(laptop)
    stays_on_vfio(laptop)
    laptop.run("virsh destroy empty")
    home(laptop)


@case("QEMU dies while neither libvirtd nor gpuctld runs: the GPU is back when they are")
def died_unseen(laptop):
    put_gpu_into(laptop, "empty")
    laptop.run("virsh start empty")
    laptop.run("systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd gpuctld")
    kill_qemu(laptop)
    laptop.run("systemctl start gpuctld; systemctl start libvirtd.socket")
    home(laptop, 90)


@case("undefined while it runs: the GPU is back when the VM ends, and free for others")
def undefined_while_running(laptop):
    laptop.gpuctl("attach empty --start").ended(DONE)
    laptop.run("virsh undefine empty")
    in_vm(laptop)
    stays_on_vfio(laptop)
    laptop.run("virsh destroy empty")
    home(laptop)
    laptop.gpuctl("attach gaming").ended(DONE)
    laptop.gpuctl("release").ended(DONE)
    laptop.bound(ON_HOST)


@case("--keep and a GPU that was reserved beforehand: it stays with VFIO when the VM ends, until release")
def kept(laptop):
    laptop.gpuctl("attach empty --start --keep").ended(DONE)
    laptop.run("virsh destroy empty")
    stays_on_vfio(laptop)
    laptop.gpuctl("release").ended(DONE)
    laptop.bound(ON_HOST)
    assert not host_devices(laptop, "empty")
    laptop.gpuctl("attach").ended(DONE)
    put_gpu_into(laptop, "empty")
    laptop.run("virsh start empty; virsh destroy empty")
    stays_on_vfio(laptop)
    laptop.gpuctl("release").ended(DONE)
    home(laptop)


@case("a refused start: virsh start fails with gpuctl's reason, and nothing has changed")
def refused_start(laptop):
    put_gpu_into(laptop, "empty")
    pid = laptop.run("systemd-run -q --unit=compute -p StandardInput=file:/dev/nvidia0 sleep 1000; "
                     "systemctl show -P MainPID compute").strip()
    before = laptop.host_state()
    laptop.ask("virsh start empty").ended(1).says("gpuctl", pid, "compute.service")
    laptop.changed_nothing(before)
    laptop.run("systemctl stop compute; virsh start empty")
    in_vm(laptop)


@case("a second VM with the same GPU is refused by name; the first keeps it")
def second_vm(laptop):
    put_gpu_into(laptop, "empty")
    put_gpu_into(laptop, "gaming")
    laptop.run("virsh start empty")
    laptop.ask("virsh start gaming").ended(1).says("in use by the virtual machine empty")
    stays_on_vfio(laptop)
    in_vm(laptop)
    laptop.run("virsh destroy empty")
    home(laptop)


@case("the definition keeps the GPU: the next start takes it again, release at home takes it out")
def stays_in_definition(laptop):
    before = laptop.run("virsh dumpxml --inactive empty")
    started = laptop.gpuctl("attach empty --start").ended(DONE)
    assert started.seconds < 60, f"libvirt and gpuctl have waited for each other\n{started}"
    laptop.run("virsh destroy empty")
    home(laptop)
    assert len(host_devices(laptop, "empty")) == 2
    laptop.run("virsh start empty")
    in_vm(laptop)
    laptop.gpuctl("release").ended(REFUSED).says("empty")
    laptop.run("virsh destroy empty")
    home(laptop)
    laptop.gpuctl("release").ended(DONE)
    assert laptop.run("virsh dumpxml --inactive empty") == before


@case("ended and started again at once: the second start has the GPU and keeps it")
def restarted_at_once(laptop):
    put_gpu_into(laptop, "empty")
    laptop.run("virsh start empty; virsh destroy empty; virsh start empty")
    in_vm(laptop)
    stays_on_vfio(laptop)
    laptop.run("virsh destroy empty")
    home(laptop)


@case("a start waits for an attach that is going on")
def started_meanwhile(laptop):
    put_gpu_into(laptop, "empty")
    laptop.stub(remove_delay_ms=6000)
    attach = laptop.background("gpuctl attach")
    laptop.settled(lambda: laptop.gpu()["state"] == "changing", what="an attach is going on")
    laptop.run("virsh start empty")
    in_vm(laptop)
    ended(attach).ended(DONE)


@case("a VM that somebody gave the GPU uses it before the one that gpuctl gave it to: neither is forgotten")
def another_definition(laptop):
    laptop.gpuctl("attach gaming").ended(DONE)
    put_gpu_into(laptop, "empty")
    laptop.run("virsh start empty")
    in_vm(laptop)
    laptop.run("virsh destroy empty")
    stays_on_vfio(laptop)
    laptop.gpuctl("release").ended(DONE)
    home(laptop)
    assert not host_devices(laptop, "gaming") and len(definition(laptop, "empty").findall("devices/hostdev")) == 2


@case("a VM that fails to start after gpuctl has given it the GPU: the GPU is back")
def start_fails_later(laptop):
    put_gpu_into(laptop, "empty")
    laptop.run(f"truncate -s 1M {BOOT_DISK}; virsh attach-disk empty {BOOT_DISK} sda --targetbus sata --config; "
               f"rm {BOOT_DISK}")
    laptop.ask("virsh start empty").ended(1).says(BOOT_DISK)
    home(laptop)
    laptop.ask("gpuctl attach empty --start").ended(1).says(BOOT_DISK)
    home(laptop)


@case("the package purged: no hook is left, and machines without a GPU start")
def purged(laptop):
    laptop.run("dpkg --purge gpuctl; [ ! -e /etc/libvirt/hooks/qemu.d/gpuctl ]")
    laptop.run("virsh start empty")
