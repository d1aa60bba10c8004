# SPDX-License-Identifier: GPL-2.0-or-later
"""What the emulated machines are made of, their PCI devices above all, and the graphics cards that fit into them.

Devices are QEMU's -device properties. A device with "fake" is served by fakepci and has the ids written there."""

import json

QEMU = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none",
        "-machine", "q35,sata=off,smbus=off,usb=off,i8042=off", "-accel", "tcg,thread=multi,tb-size=512",
        "-cpu", "max", "-smp", "2", "-m", "2G"]
IOMMU = {"intel": ("intel-iommu,intremap=on,caching-mode=on", "intel_iommu=on"), "none": (None, "")}
KERNEL_ARGUMENTS = ("console=ttyS0 root=/dev/vda rw quiet net.ifnames=0 systemd.show_status=0 rd.udev.log_level=3 "
                    "mitigations=off apparmor=0 audit=0 random.trust_cpu=on tsc=reliable no_timer_check")
OWN_NETWORK_CARD = "52:54:00:aa:00:01"

# What a hot-plugged GPU needs behind a root port: bridge windows kept free for its BARs.
ROOM_FOR_A_GPU = {"io-reserve": 4 << 10, "mem-reserve": 32 << 20, "pref64-reserve": 128 << 20}


def root_port(number, slot, **more):
    return {"driver": "pcie-root-port", "id": f"rp{number}", "bus": "pcie.0", "chassis": number, "slot": number,
            "addr": hex(slot), **more}


def nic(number, bus, addr="0x0", driver="e1000e", **more):
    return {"driver": driver, "id": f"nic{number}", "bus": bus, "addr": addr, "netdev": f"net{number}", **more}


INTEGRATED_GPU = {"driver": "VGA", "id": "igpu", "bus": "pcie.0", "addr": "0x2"}

# The reference laptop without its GPU. Two groups more or less and the GPU would not get group 15, as in reality.
LAPTOP = [
    INTEGRATED_GPU,
    {"driver": "qemu-xhci", "id": "usb", "bus": "pcie.0", "addr": "0x14"},
    {"driver": "intel-hda", "id": "sound", "bus": "pcie.0", "addr": "0x1b"},
    {"driver": "hda-duplex", "bus": "sound.0", "audiodev": "silence"},
    root_port(1, 0x10, **ROOM_FOR_A_GPU), root_port(2, 0x11), root_port(3, 0x12),
    root_port(4, 0x13, **ROOM_FOR_A_GPU), root_port(5, 0x15),
    nic(1, "rp2"), nic(2, "rp3"),
]


def plain_gpu(bus, device="0x0"):
    """Display and audio function of another vendor, emulated by QEMU."""
    return [
        {"driver": "intel-hda", "id": "gpu-audio", "bus": bus, "addr": f"{device}.0x1", "multifunction": True},
        {"driver": "hda-output", "bus": "gpu-audio.0", "audiodev": "silence"},
        {"driver": "bochs-display", "id": "gpu", "bus": bus, "addr": f"{device}.0x0", "multifunction": True},
    ]


# The GPU and a network card behind a PCIe-to-PCI bridge: one group.
BRIDGE = [INTEGRATED_GPU, root_port(1, 0x10), {"driver": "pcie-pci-bridge", "id": "bridge", "bus": "rp1"},
          *reversed(plain_gpu("bridge", "0x1")), nic(1, "bridge", "0x2", driver="e1000")]

# The GPU behind a PCIe switch without ACS: its group also holds the switch's downstream port.
SWITCH = [INTEGRATED_GPU, root_port(1, 0x10), {"driver": "x3130-upstream", "id": "switch", "bus": "rp1"},
          {"driver": "xio3130-downstream", "id": "down1", "bus": "switch", "chassis": 11, "slot": 11, "addr": "0x0"},
          {"driver": "xio3130-downstream", "id": "down2", "bus": "switch", "chassis": 12, "slot": 12, "addr": "0x1"},
          *reversed(plain_gpu("down1")), nic(1, "down2")]

MACHINES = {"laptop": LAPTOP, "bridge": BRIDGE, "switch": SWITCH}


def fake(kind, number, **more):
    """A function served by fakepci; "ids" replaces those of its kind."""
    return {"driver": "vfio-user-pci", "id": f"gpu{number}", "addr": f"0x0.{hex(number)}", "multifunction": True,
            "fake": kind, **more}


def further(driver, number, **more):
    return {"driver": driver, "id": f"gpu{number}", "addr": f"0x0.{hex(number)}", "multifunction": True, **more}


# Cards, to be plugged into the root port NAME: function 0 last, as it completes the slot.
CARDS = {
    "nvidia": [fake("hda", 1), fake("gpu", 0)],
    "nvidia-four-functions": [fake("ucsi", 3), further("qemu-xhci", 2), fake("hda", 1), fake("gpu", 0)],
    "nvidia-with-nic": [further("e1000e", 2, netdev="net3"), fake("hda", 1), fake("gpu", 0)],
    # another vendor: QEMU's bochs-display; its sound card is fake, as one of QEMU's gets no codec by hot-plug
    "bochs": [fake("hda", 1, ids="8086:2668"), further("bochs-display", 0)],
}


def card(name, port):
    return [{**device, "bus": port} for device in CARDS[name]]


def at_rest(device):
    """Tests of the shell, @ for the function. snd_hda_intel does most of its work after it is bound, and lets those of
    NVIDIA save power (snd/pci/hda/hda_intel.c, azx_probe_continue); Debian has no driver for the USB-C controller."""
    tests = [] if device.get("fake") == "ucsi" else ["[ -e @/driver ]"]
    if device.get("fake") == "hda":
        tests += ["[ -e @/sound/card* ]"] + ([] if "ids" in device else ['[ "$(cat @/power/control)" = auto ]'])
    return tests


def in_order(devices):
    """For the command line, where a device's bus must exist before it and hda-output follows its controller."""
    audio = [d for d in devices if d["driver"] == "hda-output"]
    return [d for d in devices if d not in audio] + audio


def kernel(image, iommu):
    """The quick way to boot: no firmware's search, no boot loader."""
    append = f"{KERNEL_ARGUMENTS} {IOMMU[iommu][1]}"
    return ["-kernel", image / "vmlinuz", "-initrd", image / "initrd", "-append", append]


def boot_loader(image):
    """What a reboot starts: GRUB, which reads the /boot/grub/grub.cfg of the machine's disk."""
    return ["-kernel", image / "grub"]


def command(directory, kind, iommu, started_by):
    """QEMU's command line for a machine with its files in DIRECTORY."""
    device, _ = IOMMU[iommu]
    arguments = [*QEMU, *started_by,
                 "-serial", f"file:{directory}/serial.log", "-qmp", f"unix:{directory}/qmp.sock,server=on,wait=off",
                 "-drive", f"file={directory}/disk.qcow2,if=none,id=disk,format=qcow2,cache=unsafe,discard=unmap",
                 "-netdev", "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:0-:22", "-audiodev", "none,id=silence"]
    for number in (1, 2, 3):
        arguments += ["-netdev", f"user,id=net{number},restrict=on"]
    if device:  # before all others, or they by-pass it
        arguments += ["-device", device]
    arguments += ["-device", "virtio-blk-pci,drive=disk,bus=pcie.0,addr=0x3",
                  "-device", "virtio-rng-pci,bus=pcie.0,addr=0x4",
                  "-device", f"virtio-net-pci,netdev=net0,mac={OWN_NETWORK_CARD},bus=pcie.0,addr=0x5,romfile="]
    for properties in in_order(MACHINES[kind]):
        arguments += ["-device", json.dumps(properties)]
    return arguments
