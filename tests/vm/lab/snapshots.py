# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated laptop as it is after booting, and again with the package installed: restored in seconds."""
from . import cache, guest_image, toolbox
from .machine import Machine

LAB = cache.VM_DIR / "lab"
RECIPE = (LAB / "hardware.py", LAB / "snapshots.py")
# What is slow the first time: libvirt asks QEMU for its capabilities, modules come from the disk.
WARM_UP = r"""set -e
until [ -c /dev/kvm ]; do sleep 0.1; done
for file in /usr/share/laptop/*.xml; do virsh -q define $file; done
virsh domcapabilities --virttype kvm > /dev/null; virsh domcapabilities --virttype qemu > /dev/null
virsh capabilities > /dev/null; virsh nodedev-list > /dev/null
find /lib/modules -type f \( -name 'vfio*' -o -name 'nvidia*' -o -name 'snd*hda*' \) -exec cat {} + > /dev/null
modprobe -a snd_hda_intel snd_hda_codec_hdmi
pkcheck --version > /dev/null
systemctl restart polkit
update-grub
"""


def booted_key():
    return cache.hash_of(guest_image.key(), cache.hash_of(*toolbox.RECIPE), *RECIPE)


def booted():
    """The laptop without gpuctl, idle, its GPU slot empty."""
    return cache.built("booted", booted_key(), make_booted, "a snapshot of the booted laptop", keep=2)


def make_booted(directory):
    with Machine() as laptop:
        laptop.boot()
        laptop.run(WARM_UP, timeout=900)
        laptop.save(directory)


def installed(package):
    """The same with the package installed."""
    key = cache.hash_of(booted_key(), package)
    return cache.built("installed", key, lambda directory: make_installed(directory, package),
                       "a snapshot with the package installed", keep=4)


def make_installed(directory, package):
    with Machine() as laptop:
        laptop.restore(booted())
        install(laptop, package)
        laptop.save(directory)


def install(laptop, package):
    """As apt would, but the dependencies are in the image and there is no network: a missing one is an error."""
    laptop.shell.put(package, "/var/tmp/gpuctl.deb")
    laptop.run("dpkg -i /var/tmp/gpuctl.deb", timeout=600)
