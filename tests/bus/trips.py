# SPDX-License-Identifier: GPL-2.0-or-later
"""For tests that go through an attach or a release write by write."""
from case import BusTest

GPU = '0000:01:00.0'


class Trips(BusTest):
    root = None  # whose client asks

    def run_to_end(self, verb):
        operation = getattr(self.root, verb)(GPU)
        return self.root.finish(operation, 60)

    def ready(self, verb):
        """The GPU where VERB starts; nothing recorded."""
        if verb == 'release':
            self.assertEqual(self.run_to_end('attach')[0], 'succeeded')
        self.machine.fake('forget')

    def writes_of(self, verb):
        self.ready(verb)
        self.assertEqual(self.run_to_end(verb)[0], 'succeeded')
        count = len(self.machine.writes())
        if verb == 'attach':
            self.assertEqual(self.run_to_end('release')[0], 'succeeded')
        return count
