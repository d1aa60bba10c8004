# SPDX-License-Identifier: GPL-2.0-or-later
"""Real reboots, through firmware and GRUB, with the GPU in its slot from the start: kernel arguments, boot policy; and the
package that goes away."""
from lab import hardware
from lab.testing import DONE, ON_HOST, ON_VFIO, REFUSED, USAGE, case

RULES = "/etc/udev/rules.d/61-gpuctl-*"
POLICY = "/var/lib/gpuctl/boot-policy.json"
BOUND_BY_NVIDIA = "nvidia-stub: bound as"
GRUB_FILES = "/boot/grub/grub.cfg /etc/default/grub $(find /etc/default/grub.d -type f)"

# Another model of the same maker, as after a repair.
hardware.CARDS.setdefault("other-nvidia", [hardware.fake("hda", 1, ids="10de:22ba"), hardware.fake("gpu", 0, ids="10de:2684")])


def doctor(laptop, status):
    """The findings by id; of several about devices one."""
    found = laptop.gpuctl("--json doctor", user="user").ended(status).json["findings"]
    return {finding["id"]: finding for finding in found}


def policy(laptop):
    """The one policy, or None."""
    found = laptop.gpuctl("--json boot show", user="user").ended(DONE).json["policies"]
    assert len(found) < 2, found
    return found[0] if found else None


def state_of_policy(laptop):
    found = policy(laptop)
    return found and found["state"]


def boot_unit_is_fine(laptop):
    """It may still be at work when somebody can log in already."""
    def state():
        return laptop.run("systemctl show -P ActiveState gpuctl-boot").strip()
    laptop.settled(lambda: state() in ("active", "failed"), 240, "gpuctl-boot")
    log = laptop.run("journalctl -b -u gpuctl-boot -o cat")
    assert state() == "active" and "Main process exited" not in log and "Call failed" not in log, log


def at_vfio_before_nvidia(laptop):
    boot_unit_is_fine(laptop)
    laptop.bound(ON_VFIO)
    assert BOUND_BY_NVIDIA not in laptop.run("dmesg"), "the host's driver has had the GPU in this boot"


def on_host(laptop):
    boot_unit_is_fine(laptop)
    laptop.bound(ON_HOST)
    laptop.no_override_left()


def nothing_configured(laptop):
    left = laptop.run(f"ls {RULES} {POLICY} /etc/initramfs-tools/hooks/gpuctl /etc/default/grub.d/90-gpuctl.cfg 2> /dev/null "
                      "|| true")
    assert not left, f"left behind:\n{left}"


@case("an IOMMU that is off: the doctor says what to do, kernel-args enable does it, undo gives every byte back")
def kernel_arguments(laptop):
    laptop.run("rm /etc/default/grub.d/intel-iommu.cfg; sed -i 's/\"quiet\"/\"quiet intel_iommu=off\"/' /etc/default/grub; "
               "update-grub", timeout=300)
    laptop.reboot()
    assert "intel_iommu=off" in laptop.run("cat /proc/cmdline")
    off = doctor(laptop, REFUSED)
    assert "gpuctl kernel-args enable" in off["iommu-kernel"]["remedy"], off["iommu-kernel"]
    before = laptop.run(f"sha256sum {GRUB_FILES}")
    laptop.gpuctl("kernel-args plan", user="user").ended(DONE).says("intel_iommu=on", "update-grub")
    assert laptop.run(f"sha256sum {GRUB_FILES}") == before
    laptop.gpuctl("kernel-args enable", timeout=300).ended(DONE).says("90-gpuctl.cfg")
    assert laptop.gpuctl("--json kernel-args show", user="user").ended(DONE).json["reboot_needed"]
    laptop.reboot()
    running = laptop.run("cat /proc/cmdline").split()
    assert "intel_iommu=on" in running and "intel_iommu=off" not in running, running
    assert doctor(laptop, DONE)["iommu-kernel"]["severity"] == "ok"
    laptop.gpuctl("attach").ended(DONE)
    laptop.gpuctl("release").ended(DONE)
    laptop.gpuctl("kernel-args undo", timeout=300).ended(DONE).says("reboot")
    assert laptop.run(f"sha256sum {GRUB_FILES}") == before
    laptop.gpuctl("kernel-args undo").ended(DONE).says("nothing to undo")
    nothing_configured(laptop)


@case("boot set vm: on VFIO before nvidia could bind; not confirmed: at home again after the next boot")
def policy_on_trial(laptop):
    laptop.gpuctl("boot set 01:00 vm").ended(DONE).says("confirm")
    assert state_of_policy(laptop) == "pending"
    laptop.bound(ON_HOST)
    laptop.reboot()
    at_vfio_before_nvidia(laptop)
    assert state_of_policy(laptop) == "trial" and laptop.gpu()["state"] == "vm"
    laptop.reboot()
    on_host(laptop)
    assert state_of_policy(laptop) == "reverted"
    assert not laptop.run(f"ls {RULES} 2> /dev/null || true")
    laptop.gpuctl("boot confirm 01:00").ended(USAGE).says("reverted")
    laptop.gpuctl("boot clear 01:00").ended(DONE)
    nothing_configured(laptop)


@case("a confirmed policy stays; gpuctl.boot=host on the kernel command line overrides it; clear leaves no file")
def policy_confirmed(laptop):
    laptop.gpuctl("boot set 01:00 vm").ended(DONE)
    laptop.reboot()
    boot_unit_is_fine(laptop)
    laptop.gpuctl("boot confirm 01:00").ended(DONE)
    laptop.reboot()
    at_vfio_before_nvidia(laptop)
    assert state_of_policy(laptop) == "confirmed"
    # What somebody types into GRUB's editor.
    laptop.run(r"cp /boot/grub/grub.cfg /root/grub.cfg; sed -i 's/^\tlinux\t.*/& gpuctl.boot=host/' /boot/grub/grub.cfg")
    laptop.reboot()
    on_host(laptop)
    assert policy(laptop)["disabled"] and state_of_policy(laptop) == "confirmed"
    laptop.run("cp /root/grub.cfg /boot/grub/grub.cfg")
    laptop.gpuctl("boot clear 01:00").ended(DONE)
    nothing_configured(laptop)


@case("another card in the slot: the policy is refused by name, and the card stays with the host")
def swapped_card(laptop):
    laptop.gpuctl("boot set 01:00 vm").ended(DONE)
    laptop.unplug()
    laptop.settled(lambda: not laptop.drivers(), 30, "the slot is empty")
    laptop.plug("other-nvidia")
    laptop.reboot()
    on_host(laptop)
    said = laptop.run("journalctl -b -u gpuctl-boot -u gpuctld -o cat")
    assert "boot-policy-card-changed" in said and "10de:2684" in said and "10de:25a0" in said, said
    laptop.gpuctl("boot clear 01:00").ended(DONE)
    nothing_configured(laptop)


@case("of two equal cards only the one that was named is on VFIO, from the start, and the other with its driver")
def equal_cards(laptop):
    laptop.plug("nvidia", "rp4")
    laptop.gpuctl("boot set 04:00 vm").ended(DONE)
    laptop.reboot()
    boot_unit_is_fine(laptop)
    laptop.bound({**ON_HOST, "0000:04:00.0": "vfio-pci", "0000:04:00.1": "vfio-pci"})
    bound = [line for line in laptop.run("dmesg").splitlines() if BOUND_BY_NVIDIA in line]
    assert len(bound) == 1 and "01:00.0" in bound[0], bound
    laptop.gpuctl("boot clear").ended(DONE)
    nothing_configured(laptop)


@case("boot set last: where the GPU was at the end of the boot counts, not where it was when that was said")
def policy_last(laptop):
    laptop.gpuctl("boot set 01:00 last").ended(DONE)
    laptop.gpuctl("attach").ended(DONE)
    laptop.reboot()
    at_vfio_before_nvidia(laptop)
    laptop.gpuctl("boot confirm 01:00").ended(DONE)
    laptop.gpuctl("release").ended(DONE)
    laptop.reboot()
    on_host(laptop)


@case("upgraded while a VM has the GPU: the VM keeps it, and it comes home afterwards")
def upgraded_under_a_vm(laptop):
    laptop.gpuctl("attach empty --start").ended(DONE)
    before, pid = laptop.daemon_pid(), laptop.run("cat /run/libvirt/qemu/empty.pid")
    laptop.run("dpkg -i /var/tmp/gpuctl.deb", timeout=300)
    assert laptop.daemon_pid() != before, "the old gpuctld goes on"
    laptop.bound(ON_VFIO)
    assert laptop.run("cat /run/libvirt/qemu/empty.pid") == pid and laptop.gpu()["vm"] == "empty"
    laptop.gpuctl("attach gaming").ended(REFUSED).says("empty")
    laptop.run("virsh destroy empty")
    laptop.settled(lambda: laptop.drivers() == ON_HOST, 60, "the GPU is home")
    laptop.no_override_left()


@case("removed: boot policy and kernel arguments are taken back, the GPU is at home; purged: no file is left")
def removed_and_purged(laptop):
    grub = laptop.run(f"sha256sum {GRUB_FILES}")
    laptop.gpuctl("kernel-args enable --passthrough", timeout=300).ended(DONE)
    laptop.gpuctl("boot set 01:00 vm").ended(DONE)
    laptop.gpuctl("attach").ended(DONE)
    assert laptop.run(f"sha256sum {GRUB_FILES}") != grub and laptop.run(f"ls {RULES}")
    laptop.run("dpkg --remove gpuctl", timeout=300)
    laptop.bound(ON_HOST)
    laptop.no_override_left()
    nothing_configured(laptop)
    assert laptop.run(f"sha256sum {GRUB_FILES}") == grub
    assert laptop.run("test -e /etc/gpuctl/gpuctl.toml && echo kept") == "kept\n"
    laptop.run("dpkg --purge gpuctl", timeout=300)
    # The laboratory's own: the package file, and apt's pin from when the disk was made.
    left = laptop.run("find / -xdev -name '*gpuctl*' ! -path '/var/tmp/*' ! -path '/etc/apt/preferences.d/*'; "
                      "find /run -name '*gpuctl*' ! -path '/run/udev/*'; getent group gpuctl || true; "
                      "systemctl list-units --all --no-legend --type=service '*gpuctl*'")
    assert not left, f"left behind:\n{left}"
    laptop.run("virsh start empty")
