# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of org.freedesktop.login1 that gpuctld uses, in a thread of its own: inhibitors, and the word that sleep comes."""
import collections
import os
import queue
import select
import threading

from dbus_wire import ERROR, METHOD_RETURN, NO_REPLY_EXPECTED, Bus, Message

MANAGER, PATH = 'org.freedesktop.login1.Manager', '/org/freedesktop/login1'
Lock = collections.namedtuple('Lock', 'what who why mode fd')


class FakeLogin1:
    def __init__(self):
        self.bus, self.locks, self.orders, self.told, self.over = Bus(), [], queue.SimpleQueue(), queue.SimpleQueue(), False
        self.asked, self.unanswered, self.silent, self.refuses = [], [], False, False
        self.bus.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'RequestName', 'su',
                      ['org.freedesktop.login1', 4])
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def held(self):
        """(what, who, mode) of every lock whose holder has not closed it."""
        return [(lock.what, lock.who, lock.mode) for lock in self.locks if not select.select([lock.fd], [], [], 0)[0]]

    def answer(self):
        """What it was asked while `silent`, in one go."""
        self.silent = False

    def prepare_for_sleep(self, begins):
        """When it returns the bus has the signal: whoever calls gpuctld then comes after it."""
        self.orders.put(begins)
        self.told.get(timeout=10)

    def close(self):
        self.over = True
        self.thread.join()
        self.bus.close()

    def inhibit(self, call):
        if self.refuses:
            return self.bus.send(Message(ERROR, flags=NO_REPLY_EXPECTED, destination=call.sender, reply_serial=call.serial,
                                         error_name='org.freedesktop.DBus.Error.Failed'))
        ours, theirs = os.pipe()
        self.bus.send(Message(METHOD_RETURN, flags=NO_REPLY_EXPECTED, destination=call.sender, reply_serial=call.serial,
                              signature='h', body=[0], fds=[theirs]))
        os.close(theirs)
        self.locks.append(Lock(*call.body, ours))

    def serve(self):
        while not self.over:
            self.bus.receive(0.02)
            while self.bus.calls:
                call = self.bus.calls.pop(0)
                if call.member == 'Inhibit':
                    self.asked.append(call.body[2])
                    self.unanswered.append(call)
            while self.unanswered and not self.silent:
                self.inhibit(self.unanswered.pop(0))
            while not self.orders.empty():
                self.bus.signal(PATH, MANAGER, 'PrepareForSleep', 'b', [self.orders.get()])
                self.bus.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'GetId')
                self.told.put(True)
