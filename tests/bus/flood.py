# SPDX-License-Identifier: GPL-2.0-or-later
"""flood.py UID CALLS: that many calls of Attach in flight as this user, a new one for each answer, until its input ends.
Says "flooding" when all of the first are answered, and at the end what answers there were (JSON)."""
import collections
import json
import select
import sys

from dbus_wire import Bus, Variant

SERVICE, ROOT, MANAGER = 'org.gpuctl1', '/org/gpuctl1', 'org.gpuctl1.Manager'


def main(uid, calls):
    bus, answers, told = Bus(uid), collections.Counter(), False
    flying = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        while flying < calls:
            bus.send_call(SERVICE, ROOT, MANAGER, 'Attach', 'ssa{sv}', ['0000:01:00.0', '', {'interactive': Variant('b', False)}])
            flying += 1
        bus.receive(0.1)
        flying -= len(bus.replies)
        answers.update((reply.error_name or 'granted').rpartition('.')[2] for reply in bus.replies.values())
        bus.replies.clear()
        if not told and answers.total() >= calls:
            told = True
            print('flooding', flush=True)
    print(json.dumps(answers))


if __name__ == '__main__':
    main(*map(int, sys.argv[1:]))
