# SPDX-License-Identifier: GPL-2.0-or-later
"""Random and hostile calls to everything that introspection shows, by everybody; random kernel events meanwhile.

The daemon must outlive them, a sanitizer must not say a word, and the GPU must be whole. GPUCTL_FUZZ_SECONDS for each
caller (default 10), GPUCTL_FUZZ_SEED. With the preset asan the daemon is built with AddressSanitizer and
UndefinedBehaviorSanitizer.
"""
import os
import random
import select
import socket
import struct
import time
import unittest
import xml.etree.ElementTree as ElementTree

from case import BusTest
from dbus_wire import DBusError, Disconnected, Variant, split_types
from machine import GPU, MANAGER, PROPERTIES, ROOT, SERVICE, until

SECONDS = float(os.environ.get('GPUCTL_FUZZ_SECONDS', 10))
SEED = int(os.environ.get('GPUCTL_FUZZ_SEED', 1))
IN_FLIGHT = 12
NETLINK_KOBJECT_UEVENT, NLMSG_MIN_TYPE, NLM_F_REQUEST = 15, 0x10, 1
TEXTS = ['', '0000:01:00.0', '01:00', '0000:00:02.0', '10de:25a0', 'vm', 'test', 'attach', 'release', 'host', 'last', 'clear', 'x' * 300,
         'y' * 70000, '\x01\x1b[31m', '%s%n%p', '../../etc/shadow', '\u202e', '\ud7ff\ue000', "'; reboot", '{}', '<domain>',
         '<domain type="kvm"><name>a</name></domain>', '0' * 40, '-1', '\U0010ffff', 'a\nb', '0000:01:00.9', 'ffffffff:ff:1f.7']
KEYS = ['interactive', 'force', 'live', 'start', 'keep', 'gpu', 'rom', 'looking-glass', 'battery', 'dry-run', 'passthrough',
        'drop-vfio-ids', 'migrate', '', 'x' * 2000]
EDGES = {'y': (0, 255), 'n': (-0x8000, 0x7fff), 'q': (0, 0xffff), 'i': (-1 << 31, (1 << 31) - 1), 'u': (0, (1 << 32) - 1),
         'x': (-1 << 63, (1 << 63) - 1), 't': (0, (1 << 64) - 1)}
ANY = [*'ybnqiuxtdsogv', 'as', 'ay', 'a{sv}', '(ss)', 'aas', 'a(sv)', 'av', 'a{ss}', '(s(s(s)))']


class Values:
    """Values of a type; what a person would send, and what nobody would."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def of(self, kind, depth=0):
        random_ = self.random
        if kind in EDGES:
            return random_.choice([*EDGES[kind], 0, 1, random_.randint(*EDGES[kind])])
        if kind == 'b':
            return random_.random() < 0.5
        if kind == 'd':
            return random_.choice([0.0, -1.5, 1e308, float('inf'), float('nan')])
        if kind == 's':
            return random_.choice(TEXTS) if random_.random() < 0.8 else self.text()
        if kind == 'o':
            return random_.choice(['/', ROOT, ROOT + '/gpus/0000_01_00', ROOT + '/operations/1', '/' + 'a' * 200])
        if kind == 'g':
            return random_.choice(['', 's', 'a{sv}', 'v'])
        if kind == 'v':
            inner = random_.choice(ANY if depth < 3 else [*'ybsu'])
            return Variant(inner, self.of(inner, depth + 1))
        if kind == 'ay':
            return bytes(random_.randrange(256) for _ in range(random_.choice([0, 1, 100])))
        return self.container(kind, depth)

    def container(self, kind, depth):
        count = self.random.choice([0, 1, 2, 3, 30 if depth < 2 else 2])
        if kind.startswith('a{'):
            key, value = split_types(kind[2:-1])
            return {self.random.choice(KEYS) if key == 's' else self.of(key): self.option(value, depth) for _ in range(count)}
        if kind[0] == 'a':
            return [self.of(kind[1:], depth + 1) for _ in range(count)]
        return tuple(self.of(part, depth + 1) for part in split_types(kind[1:-1]))

    def option(self, kind, depth):
        if kind == 'v' and self.random.random() < 0.6:
            return Variant('b', self.random.random() < 0.5)
        return self.of(kind, depth + 1)

    def text(self):
        return ''.join(chr(self.random.choice([self.random.randrange(1, 128), self.random.randrange(0xa0, 0xd000)]))
                       for _ in range(self.random.randrange(60)))

    def arguments(self, types):
        """(signature, values): mostly of the right types."""
        if self.random.random() < 0.15:
            types = [self.random.choice(ANY) for _ in range(self.random.randrange(5))]
        return ''.join(types), [self.of(kind) for kind in types]


def methods(targets):
    return [target for target in targets if isinstance(target[3], list)]


def properties(targets):
    return [target for target in targets if isinstance(target[3], tuple)]


class Fuzz(BusTest):
    def setUp(self):
        super().setUp()
        self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
        self.addCleanup(self.netlink.close)
        self.device = os.path.realpath('/sys/bus/pci/devices/0000:01:00.0').removeprefix('/sys')

    def targets(self, client):
        """[(path, interface, member, [type])] of everything exported."""
        found = []
        for path in [ROOT, *client.objects()]:
            for interface in self.interfaces(client, path):
                for method in interface.findall('method'):
                    types = [a.get('type') for a in method.findall('arg') if a.get('direction', 'in') == 'in']
                    found.append((path, interface.get('name'), method.get('name'), types))
                for shown in interface.findall('property'):
                    for member, types in (('Get', 'ss'), ('Set', 'ssv')):
                        found.append((path, PROPERTIES, member, (types, interface.get('name'), shown.get('name'))))
        return found

    def interfaces(self, client, path):
        try:
            text = client.bus.call(SERVICE, path, 'org.freedesktop.DBus.Introspectable', 'Introspect')[0]
        except DBusError as error:  # an operation's record has run out meanwhile
            self.assertEqual((error.name, '/operations/' in path), ('org.freedesktop.DBus.Error.UnknownObject', True))
            return []
        return ElementTree.fromstring(text).findall('interface')

    def call(self, client, values, target):
        path, interface, member, types = target
        if isinstance(types, tuple):
            signature, arguments = types[0], [types[1], types[2], values.of('v')][:len(types[0])]
        else:
            signature, arguments = values.arguments(types)
        return client.bus.send_call(SERVICE, path, interface, member, signature, arguments)

    def kernel_event(self, values):
        """As the kernel makes them, more or less."""
        verb = values.random.choice(['add', 'remove', 'bind', 'unbind', 'change', 'move', ''])
        place = values.random.choice([self.device, self.device, '/devices/pci0000:00', '/', '', '/devices/' + 'a' * 500, values.of('s')])
        fields = [f'{verb}@{place}', f'ACTION={verb}', f'DEVPATH={place}',
                  'SUBSYSTEM=' + values.random.choice(['pci', 'pci', 'drm', 'sound', 'module', 'iommu', 'vfio-dev', values.of('s')[:100]]),
                  'PCI_SLOT_NAME=' + values.of('s')[:200], values.of('s')[:300]]
        if values.random.random() < 0.3:
            values.random.shuffle(fields)
        data = '\0'.join(fields).encode('utf-8', 'surrogateescape') + (b'\0' if values.random.random() < 0.9 else b'')
        return data[:values.random.choice([len(data), len(data), values.random.randrange(1, len(data))])]

    def send_event(self, data):
        """To the kernel, which passes it on to who listens to its events: of anybody else's libudev takes none."""
        header = struct.pack('=IHHII', 16 + len(data), NLMSG_MIN_TYPE, NLM_F_REQUEST, 0, 0)
        self.netlink.sendto(header + data, (0, 0))

    def attack(self, user, seconds):
        client, values = self.machine.client(user), Values(f'{SEED} {user}')
        targets, flying, sent, answered = self.targets(client), [], 0, {}
        end = time.monotonic() + seconds
        while time.monotonic() < end or flying:
            if time.monotonic() < end and len(flying) < IN_FLIGHT:
                if values.random.random() < 0.02:
                    targets = self.targets(client)  # new operations too
                if values.random.random() < 0.05:
                    self.send_event(self.kernel_event(values))
                kind = values.random.choice([methods, methods, properties])(targets)
                flying.append((self.call(client, values, target := values.random.choice(kind)), target, time.monotonic()))
                sent += 1
                continue
            select.select([client.bus.socket], [], [], 1)
            client.bus.receive()
            client.bus.signals.clear()
            for entry in [e for e in flying if e[0] in client.bus.replies]:
                reply = client.bus.replies.pop(entry[0])
                answered[reply.error_name or 'ok'] = answered.get(reply.error_name or 'ok', 0) + 1
                flying.remove(entry)
            late = [entry for entry in flying if time.monotonic() - entry[2] > 90]
            self.assertFalse(late, f'{user}: no answer in 90 s')
        client.close()
        print(f'\n  {user}: {sent} calls; {answered}', end=' ', flush=True)
        return sent

    def rss(self):
        return int(open(f'/proc/{self.machine.daemon.pid}/statm').read().split()[1]) * 4

    def whole(self):
        """Whole on one side, or on the way: what root's calls ask for is done, and then it rests."""
        drivers = {f['driver'] for a, f in self.machine.functions().items() if a.startswith('0000:01:00')}
        return drivers in ({'vfio-pci'}, {'nvidia', 'snd_hda_intel'})

    def test_an_event_that_is_sent_arrives(self):
        root = self.client()
        self.machine.fake('dead 0000:01:00.0 1')  # which nobody is told
        self.addCleanup(self.machine.fake, 'dead 0000:01:00.0 0')
        problems = lambda: [p['id'].value for p in root.get(ROOT + '/gpus/0000_01_00', GPU, 'Problems')]
        self.assertNotIn('gpu-gone', problems())
        self.send_event(f'change@{self.device}\0ACTION=change\0DEVPATH={self.device}\0SUBSYSTEM=pci\0'.encode())
        until(lambda: 'gpu-gone' in problems(), what='a look at the GPU again')

    def test_everybody_calls_everything_with_anything(self):
        before, sent = self.rss(), 0
        for user in ('nobody', 'alice', 'root'):
            try:
                sent += self.attack(user, SECONDS)
            except Disconnected:
                self.fail(f'the bus threw {user} out')
            self.assertIsNone(self.machine.daemon.poll(), 'the daemon lives')
        self.assertEqual(self.machine.sanitizers(), [])
        root = self.client()
        until(lambda: not root.get(ROOT, MANAGER, 'Busy'), 60, 'the end of what was asked for')
        self.assertTrue(self.whole(), self.machine.functions())
        self.assertIn(root.state(), ('host', 'vm'))
        print(f'\n  {sent} calls, {self.rss() - before} kB more', end=' ', flush=True)
        self.assertGreater(sent, 200)
        self.assertEqual(self.machine.stop(), 0, 'LeakSanitizer looks at the end')
        self.assertEqual(self.machine.sanitizers(), [])

    def test_nobody_changes_anything_by_it(self):
        self.machine.fake('forget')
        self.attack('nobody', SECONDS / 2)
        self.assert_untouched()
        self.assertEqual(self.client().get(ROOT + '/gpus/0000_01_00', GPU, 'State'), 'host')


if __name__ == '__main__':
    unittest.main()
