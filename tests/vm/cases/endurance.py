# SPDX-License-Identifier: GPL-2.0-or-later
"""Round trips on the real kernel: a few in each run, GPUCTL_VM_ROUND_TRIPS=200 by hand."""
import os

from lab.testing import GPU, ON_HOST, case

ROUND_TRIPS = int(os.environ.get("GPUCTL_VM_ROUND_TRIPS", 6))
LOOK = "pid=$(systemctl show -P MainPID gpuctld); echo $(ls /proc/$pid/fd | wc -l) $(awk '/^VmRSS/ { print $2 }' /proc/$pid/status)"


def there_and_back(laptop, times):
    """udev's workers look at the sound card when it is back: who attaches within that moment is told that it is in use."""
    laptop.run(f"for i in $(seq {times}); do gpuctl attach --gpu {GPU} && gpuctl release {GPU} && udevadm settle || exit 1; done "
               "> /dev/null", timeout=60 + 30 * times)


@case("round trips leave no descriptor and no memory behind")
def round_trips(laptop):
    settled = max(ROUND_TRIPS // 4, 2)  # finished operations are kept for a minute: a plateau, not a leak
    there_and_back(laptop, settled)
    descriptors, memory = map(int, laptop.run(LOOK).split())
    there_and_back(laptop, ROUND_TRIPS - settled)
    descriptors_now, memory_now = map(int, laptop.run(LOOK).split())
    print(f"{ROUND_TRIPS} round trips; after {settled}: {descriptors_now - descriptors} descriptors and "
          f"{memory_now - memory} kB more", flush=True)
    laptop.bound(ON_HOST)
    laptop.no_override_left()
    assert descriptors_now <= descriptors, f"{descriptors} descriptors have become {descriptors_now}"
    assert memory_now - memory < (256 if ROUND_TRIPS >= 200 else 1024), f"{memory} kB have become {memory_now}"
