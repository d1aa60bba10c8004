# SPDX-License-Identifier: GPL-2.0-or-later
"""Who has the GPU, when what gpuctl knows about it cannot be kept, or changes under its hands."""
from lab.testing import DONE, FAILED, ON_HOST, ON_VFIO, REFUSED, case

from .lifecycle import home, in_vm, put_gpu_into, stays_on_vfio
from .vms import has_booted, host_devices

FILL = "fallocate -l $(($(df --output=avail -B1 / | tail -n 1) - 65536)) /full; dd if=/dev/zero of=/fuller bs=4k 2>/dev/null"


@case("the disk is full when the VM ends: the GPU comes home nevertheless, and goes again when there is room")
def full_disk(laptop):
    put_gpu_into(laptop, "empty")
    put_gpu_into(laptop, "gaming")
    laptop.run("virsh start empty")
    in_vm(laptop)
    laptop.run(f"{FILL}; true")
    laptop.run("virsh destroy empty")
    home(laptop)
    laptop.run("rm /full /fuller; virsh start gaming")
    in_vm(laptop, "gaming")
    laptop.run("virsh destroy gaming")
    home(laptop)
    laptop.gpuctl("attach empty --start").ended(DONE)
    laptop.run(f"{FILL}; virsh destroy empty")
    home(laptop)


@case("a VM that gpuctl gave the GPU gets another name: it has it under that one; undefined while off, it has it no more")
def renamed_and_undefined(laptop):
    laptop.gpuctl("attach empty --start").ended(DONE)
    laptop.run("virsh destroy empty")
    home(laptop)
    laptop.run("virsh domrename empty other; virsh start other")
    in_vm(laptop, "other")
    laptop.gpuctl("attach gaming").ended(REFUSED).says("other")
    laptop.run("virsh destroy other")
    home(laptop)
    laptop.gpuctl("release").ended(DONE)
    assert not host_devices(laptop, "other")
    laptop.gpuctl("attach other").ended(DONE)
    laptop.run("virsh undefine other")
    laptop.settled(lambda: laptop.drivers() == ON_HOST, 60, "the GPU is home")
    laptop.gpuctl("attach gaming").ended(DONE)


@case("managed='yes' and somebody has the GPU open: virsh start fails and names who, and libvirt has touched nothing")
def managed_and_in_use(laptop):
    put_gpu_into(laptop, "empty", managed="yes")
    pid = laptop.run("systemd-run -q --unit=compute -p StandardInput=file:/dev/nvidia0 sleep 1000; "
                     "systemctl show -P MainPID compute").strip()
    before = laptop.host_state()
    laptop.ask("virsh start empty").ended(1).says("gpuctl", pid, "compute.service")
    laptop.changed_nothing(before)


@case("the VM ends while gpuctld is stopped: libvirt's hook wakes it; and the config key keeps the GPU with VFIO")
def ended_without_gpuctld(laptop):
    put_gpu_into(laptop, "empty")
    laptop.run("virsh start empty; systemctl stop gpuctld; virsh destroy empty")
    home(laptop)
    laptop.run("virsh start empty; systemctl mask --runtime --now gpuctld; virsh destroy empty; systemctl unmask --runtime gpuctld")
    laptop.bound(ON_VFIO)
    laptop.run("systemctl start gpuctld")
    home(laptop)
    laptop.run("mkdir -p /etc/gpuctl/gpuctl.toml.d; printf '[vm]\\nkeep = true\\n' > /etc/gpuctl/gpuctl.toml.d/keep.toml; "
               "systemctl restart gpuctld; virsh start empty; virsh destroy empty")
    stays_on_vfio(laptop)
    laptop.gpuctl("release").ended(DONE)
    home(laptop)


@case("attach of what is attached already records --keep, and takes it back without it")
def keep_afterwards(laptop):
    laptop.gpuctl("attach empty --start").ended(DONE)
    laptop.gpuctl("attach empty --keep --live").ended(DONE)
    laptop.run("virsh destroy empty")
    stays_on_vfio(laptop)
    laptop.gpuctl("attach empty").ended(DONE)
    laptop.run("virsh start empty; virsh destroy empty")
    home(laptop)


def libvirtd_exits(laptop):
    laptop.settled(lambda: laptop.run("systemctl is-active libvirtd || true").strip() == "inactive", 90, "libvirtd exits when idle")


@case("libvirtd exits whenever it is idle: the GPU goes to the VM and comes home, and gpuctld does not keep libvirtd from it")
def libvirtd_idle(laptop):
    laptop.run("echo 'LIBVIRTD_ARGS=\"--timeout 3\"' >> /etc/default/libvirtd; systemctl stop libvirtd.socket "
                "libvirtd-ro.socket libvirtd-admin.socket libvirtd; systemctl start libvirtd.socket")
    laptop.gpuctl("attach empty --start").ended(DONE)
    in_vm(laptop)
    laptop.run("sleep 5; virsh destroy empty")
    home(laptop)
    libvirtd_exits(laptop)
    laptop.run("virsh start empty")
    in_vm(laptop)
    laptop.run("kill -9 $(cat /run/libvirt/qemu/empty.pid)")
    home(laptop)
    libvirtd_exits(laptop)
    laptop.gpuctl("release").ended(DONE)
    assert not host_devices(laptop, "empty")


@case("plugged into a running VM, which sees it; unplugged only by force, with the guest's consent")
def plugged_while_running(laptop):
    laptop.run("virsh start gaming")
    laptop.gpuctl("attach gaming --live").ended(DONE)
    in_vm(laptop, "gaming")
    has_booted(laptop, "10de:25a0", "10de:2291")
    laptop.gpuctl("release").ended(REFUSED).says("gaming", "--live")
    laptop.gpuctl("release --live").ended(REFUSED).says("--force")
    laptop.gpuctl("release --live --force").ended(DONE)
    home(laptop)
    assert laptop.run("virsh domstate gaming").strip() == "running"
    assert "hostdev" not in laptop.run("virsh dumpxml gaming")


@case("a guest that does not let go of the GPU: unplugging ends in time and says so, the VM keeps it")
def unplug_unanswered(laptop):
    port = "<controller type='pci' model='pcie-root-port'/>"
    laptop.run(f"virsh dumpxml --inactive empty > /tmp/empty.xml && sed -i \"s#</devices>#{port}&#\" /tmp/empty.xml && "
               "virsh define /tmp/empty.xml && virsh start empty")
    laptop.gpuctl("attach empty --live").ended(DONE)
    in_vm(laptop)
    said = laptop.gpuctl("release --live --force").ended(FAILED)
    assert said.seconds < 90, said
    in_vm(laptop)
    laptop.run("virsh destroy empty")
    home(laptop)


@case("a VM is undefined while the GPU is home: its claim has gone with it; one whose device was taken out by hand is released")
def claims_without_devices(laptop):
    laptop.gpuctl("attach empty --start").ended(DONE)
    laptop.run("virsh destroy empty")
    home(laptop)
    laptop.run("systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd")
    laptop.gpuctl("release").ended(REFUSED).says("vm-not-updated", "empty")
    laptop.run("systemctl start libvirtd.socket; virsh dumpxml --inactive empty > /tmp/empty.xml; virsh undefine empty")
    laptop.gpuctl("attach gaming").ended(DONE)
    laptop.gpuctl("release").ended(DONE)
    laptop.run("virsh define /tmp/empty.xml")
    laptop.gpuctl("release").ended(DONE)
    laptop.gpuctl("attach empty --start").ended(DONE)
    laptop.run("virsh destroy empty")
    home(laptop)
    laptop.run("virsh dumpxml --inactive empty | sed '/<hostdev/,/<\\/hostdev>/d' > /tmp/bare.xml; virsh define /tmp/bare.xml")
    assert not host_devices(laptop, "empty")
    laptop.gpuctl("attach gaming").ended(REFUSED).says("gpu-assigned")
    laptop.gpuctl("release").ended(DONE)
    laptop.gpuctl("attach gaming").ended(DONE)


@case("--live of a VM that is off defines it, and the GPU waits for its start")
def live_while_off(laptop):
    laptop.gpuctl("attach empty --live").ended(DONE)
    assert host_devices(laptop, "empty")
    stays_on_vfio(laptop)
    laptop.run("virsh start empty")
    in_vm(laptop)
    laptop.run("virsh destroy empty")
    home(laptop)
