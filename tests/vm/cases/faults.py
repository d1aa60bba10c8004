# SPDX-License-Identifier: GPL-2.0-or-later
"""Things that go wrong half-way, and a daemon that is stopped or killed meanwhile."""
from lab.testing import AUDIO, DONE, FAILED, GPU, NOT_AUTHORIZED, ON_HOST, ON_VFIO, case, ended

LINK = f"/sys/bus/pci/devices/{GPU}/driver"


def whole(laptop):
    """Both functions on the host, or both on VFIO: which of the two, else None."""
    return {str(ON_HOST): "host", str(ON_VFIO): "vm"}.get(str(laptop.drivers()))


def usable(laptop):
    """From wherever it is: to the VM side and home again."""
    laptop.gpuctl("attach").ended(DONE)
    laptop.bound(ON_VFIO)
    laptop.gpuctl("release").ended(DONE)
    laptop.bound(ON_HOST)
    laptop.no_override_left()


@case("the probe of the audio function fails: rolled back to the old drivers, exit 1", main=True)
def audio_probe_fails(laptop):
    laptop.run(f"modprobe probe_fault address={AUDIO} driver=vfio-pci error=5")
    laptop.gpuctl("attach").ended(FAILED).says(AUDIO)
    laptop.bound(ON_HOST)
    laptop.no_override_left()
    operations = laptop.gpuctl("--json operations").ended(DONE).json["operations"]
    assert operations[-1]["state"] == "rolled-back", operations
    laptop.run("rmmod probe_fault")
    usable(laptop)


@case("the probe of the GPU fails after the audio function has moved: rolled back, exit 1")
def gpu_probe_fails(laptop):
    laptop.run(f"modprobe probe_fault address={GPU} driver=vfio-pci error=16")
    laptop.gpuctl("attach").ended(FAILED).says(GPU)
    laptop.bound(ON_HOST)
    laptop.no_override_left()


@case("a host driver that does not take its GPU back: the release fails, says so, and can be tried again")
def host_probe_fails(laptop):
    laptop.gpuctl("attach").ended(DONE)
    laptop.stub(probe_error=19)
    laptop.gpuctl("release").ended(FAILED).says(GPU)
    laptop.stub(probe_error=0)
    laptop.gpuctl("release").ended(DONE)
    laptop.bound(ON_HOST)
    laptop.no_override_left()


def kill_during(laptop, command, condition, what):
    """Kills the daemon when CONDITION (a shell test) comes true while COMMAND runs; waits until all is whole."""
    before = laptop.daemon_pid()
    client = laptop.background(f"gpuctl {command}")
    laptop.run(f"for i in $(seq 6000); do {condition} && exec kill -9 {before}; sleep 0.01; done; exit 1")
    answer = ended(client)
    assert answer.status != DONE, f"the client believes that the {what} has succeeded\n{answer}"
    laptop.gpuctl("list").ended(DONE)  # starts it again, if systemd has not
    assert laptop.daemon_pid() != before
    laptop.settled(lambda: whole(laptop) and laptop.gpu()["state"] == whole(laptop), 60, "whole on one side")


@case("kill -9 while the nvidia driver lets go: after the restart the GPU is whole on one side and usable", main=True)
def killed_during_unbind(laptop):
    laptop.gpuctl("list").ended(DONE)
    laptop.stub(remove_delay_ms=6000)
    kill_during(laptop, "attach", f"[ ! -e {LINK} ]", "attach")
    laptop.stub(remove_delay_ms=0)
    usable(laptop)


MODE = "stat -c %a /dev/nvidia0"


def made_by_userspace(laptop):
    """/dev/nvidia0 as the real driver's users have it: it outlives the driver's hold on the GPU."""
    laptop.run("rm /dev/nvidia0; mknod /dev/nvidia0 c 195 0; chmod 664 /dev/nvidia0; setfacl -m u:user:rw /dev/nvidia0")
    return laptop.run(f"{MODE}; getfacl -cp /dev/nvidia0")


@case("while the driver lets go its device files are closed to newcomers; afterwards, and after kill -9, they are open")
def closed_meanwhile(laptop):
    laptop.gpuctl("list").ended(DONE)
    before = made_by_userspace(laptop)
    laptop.stub(remove_delay_ms=3000)
    attach = laptop.background("gpuctl attach")
    laptop.run(f"for i in $(seq 6000); do [ $({MODE}) = 0 ] && exit 0; sleep 0.01; done; exit 1")
    laptop.ask("cat /dev/nvidia0", user="user").ended(1).says("Permission denied")
    ended(attach).ended(DONE)
    assert laptop.run(f"{MODE}; getfacl -cp /dev/nvidia0") == before, "after the attach"
    laptop.gpuctl("release").ended(DONE)
    kill_during(laptop, "attach", f"[ $({MODE}) = 0 ]", "attach")
    # If the driver has been back meanwhile, udev has given the node what it gives a new one: 0666.
    laptop.settled(lambda: laptop.run(MODE).strip() in ("664", "666"), what="open again after the kill")
    laptop.stub(remove_delay_ms=0)
    usable(laptop)
    assert laptop.run(MODE).strip() in ("664", "666"), "at home"


@case("kill -9 and a damaged journal: no device is touched, but the device files are open again")
def damaged_while_closed(laptop):
    laptop.gpuctl("list").ended(DONE)
    made_by_userspace(laptop)
    laptop.stub(remove_delay_ms=3000)
    client = laptop.background("gpuctl attach")
    laptop.run(f"for i in $(seq 600); do [ $({MODE}) = 0 ] && echo damage >> /run/gpuctl/journal/0000:01:00 && "
               f"exec kill -9 {laptop.daemon_pid()}; sleep 0.01; done; exit 1")
    assert ended(client).status != DONE
    laptop.gpuctl("list").ended(DONE)
    laptop.settled(lambda: laptop.run(MODE).strip() == "664", 30, "open again")
    laptop.run("ls /run/gpuctl/journal/0000:01:00.corrupt && journalctl -u gpuctld | grep -q 'is damaged'")
    laptop.stub(remove_delay_ms=0)
    laptop.settled(lambda: laptop.gpuctl("release 01:00").status == DONE, 30, "brought back by hand")
    usable(laptop)


@case("a program that opens /dev/nvidia0 again and again: attached, or refused by its name; never stuck")
def opened_in_a_loop(laptop):
    before = made_by_userspace(laptop)
    laptop.run("systemd-run -q --unit=looper -p User=user "
               "sh -c 'while :; do { sleep 0.02; } 2>/dev/null < /dev/nvidia0 || sleep 0.02; done'")
    for _ in range(4):
        answer = laptop.gpuctl("attach", timeout=60)
        if answer.status != DONE:
            answer.says("looper.service")
        assert laptop.gpu()["state"] == whole(laptop), "neither here nor there"
        assert laptop.run(f"{MODE}; getfacl -cp /dev/nvidia0") == before
        laptop.gpuctl("release 01:00")
    laptop.run("systemctl stop looper")
    usable(laptop)


@case("kill -9 while the nvidia driver comes back: after the restart the GPU is whole on one side and usable")
def killed_during_release(laptop):
    laptop.gpuctl("attach").ended(DONE)
    laptop.stub(probe_delay_ms=2000)
    kill_during(laptop, "release", f"[ \"$(cat /sys/bus/pci/devices/{GPU}/driver_override)\" != vfio-pci ]", "release")
    laptop.stub(probe_delay_ms=0)
    usable(laptop)


@case("kill -9 at ten moments of an attach, one after the other: never torn, always usable")
def killed_at_ten_moments(laptop):
    for moment in range(10):
        laptop.gpuctl("release 01:00").ended(DONE)
        pid = laptop.daemon_pid()
        client = laptop.background(f"gpuctl attach & sleep {0.3 * moment:.1f}; kill -9 {pid}; wait")
        ended(client)
        laptop.settled(lambda: laptop.gpuctl("list").status == DONE, what="the daemon is back")
        laptop.settled(lambda: whole(laptop) and laptop.gpu()["state"] == whole(laptop), 60,
                       f"whole after a kill at {300 * moment} ms")
    usable(laptop)


@case("the GPU is unplugged while idle: it leaves the bus and the object tree", main=True)
def unplugged_while_idle(laptop):
    assert "0000_01_00" in laptop.run("busctl --list tree org.gpuctl1")
    laptop.unplug()
    laptop.settled(lambda: laptop.drivers() == {}, what="the kernel has removed it")
    laptop.settled(lambda: laptop.gpu() is None, what="it has left the list")
    assert "0000_01_00" not in laptop.run("busctl --list tree org.gpuctl1")
    assert "groups/15" not in laptop.run("busctl --list tree org.gpuctl1")


@case("a GPU that has fallen off the bus is refused by name, and nothing is written to it")
def fallen_off_the_bus(laptop):
    laptop.gpuctl("list").ended(DONE)
    laptop.tell_fake("gone")
    answer = laptop.gpuctl("attach", timeout=60)
    assert answer.status not in (DONE, 124), f"attach of a dead card\n{answer}"
    laptop.tell_fake("back")
    laptop.bound(ON_HOST)
    usable(laptop)


@case("systemctl stop and start keep the state, and the drivers of before are remembered", main=True)
def stop_and_start(laptop):
    laptop.gpuctl("attach").ended(DONE)
    laptop.run("systemctl stop gpuctld")
    laptop.bound(ON_VFIO)
    laptop.run("systemctl start gpuctld")
    assert laptop.gpu()["state"] == "vm"
    laptop.bound(ON_VFIO)
    laptop.gpuctl("release").ended(DONE)
    laptop.bound(ON_HOST)
    laptop.no_override_left()


@case("systemctl stop in the middle of an attach: within five seconds, and whole afterwards", alone=True)
def stopped_half_way(laptop):
    laptop.gpuctl("list").ended(DONE)
    laptop.stub(remove_delay_ms=2000)
    client = laptop.background("gpuctl attach")
    laptop.run(f"for i in $(seq 6000); do [ -e {LINK} ] || exit 0; sleep 0.01; done; exit 1")
    took = laptop.run("a=$(date +%s%N); systemctl stop gpuctld; b=$(date +%s%N); echo $(( (b - a) / 1000000 ))")
    assert int(took) < 5000, f"systemctl stop took {took} ms"
    ended(client)
    laptop.stub(remove_delay_ms=0)
    laptop.gpuctl("list").ended(DONE)
    laptop.settled(lambda: whole(laptop) and laptop.gpu()["state"] == whole(laptop), 60, "whole on one side")
    usable(laptop)


@case("a card that fell off the bus while it was away: release refuses and offers the ladder, each rung only on request")
def ladder(laptop):
    laptop.gpuctl("attach").ended(DONE)
    laptop.tell_fake("gone")
    laptop.gpuctl("release 01:00").ended(FAILED).says(GPU, "--reset", "--rescan")
    laptop.bound(ON_VFIO)
    laptop.tell_fake("back")
    laptop.gpuctl("release 01:00 --reset").ended(DONE)
    laptop.bound(ON_HOST)
    laptop.no_override_left()
    laptop.gpuctl("attach").ended(DONE)
    laptop.gpuctl("release 01:00 --rescan").ended(DONE)
    laptop.bound(ON_HOST)
    laptop.no_override_left()
    laptop.gpuctl("release 01:00 --rescan", user="user").ended(NOT_AUTHORIZED)
    usable(laptop)


@case("a reset of a card that stays dead fails, says so, and a later rescan brings it home")
def dead_after_reset(laptop):
    laptop.tell_fake("gone")
    laptop.gpuctl("release 01:00 --reset", timeout=300).ended(FAILED).says(GPU, "--rescan")
    laptop.tell_fake("back")
    laptop.gpuctl("release 01:00 --rescan").ended(DONE)
    laptop.bound(ON_HOST)
    laptop.no_override_left()
    usable(laptop)
