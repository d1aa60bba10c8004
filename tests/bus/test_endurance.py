# SPDX-License-Identifier: GPL-2.0-or-later
"""Round trips without end. GPUCTL_ROUND_TRIPS (default 20; 10000 by hand)."""
import os
import time
import unittest

from case import BusTest

ROUND_TRIPS = int(os.environ.get('GPUCTL_ROUND_TRIPS', 20))
# Of few round trips, what the first of a kind allocates is the most.
GROWTH_KB = 256 if ROUND_TRIPS >= 1000 else 1024


class Endurance(BusTest):
    measures_memory = True

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.machine.daemon.pid}/fd'))

    def rss(self):
        return int(open(f'/proc/{self.machine.daemon.pid}/statm').read().split()[1]) * 4

    def round_trip(self, client):
        self.assertEqual(client.finish(client.attach('0000:01:00.0'))[0], 'succeeded')
        self.assertEqual(client.finish(client.release('0000:01:00.0'))[0], 'succeeded')
        client.bus.signals.clear()

    def test_round_trips_leave_no_memory_and_no_descriptor_behind(self):
        root, before = self.client(), self.machine.functions()
        settled = min(300, max(ROUND_TRIPS // 2, 1))  # finished operations are kept for a while: a plateau, not a leak
        for _ in range(settled):
            self.round_trip(root)
        descriptors, rss, began = self.descriptors(), self.rss(), time.monotonic()
        for _ in range(ROUND_TRIPS - settled):
            self.round_trip(root)
        took = time.monotonic() - began
        print(f'\n  {ROUND_TRIPS} round trips, {took / max(1, ROUND_TRIPS - settled) * 1000:.0f} ms each; after {settled}: '
              f'{self.descriptors() - descriptors} descriptors and {self.rss() - rss} kB more', end=' ', flush=True)
        self.assertLessEqual(self.descriptors(), descriptors)
        self.assertLess(self.rss() - rss, GROWTH_KB)
        self.assertEqual(self.machine.functions(), before)


if __name__ == '__main__':
    unittest.main()
