# SPDX-License-Identifier: GPL-2.0-or-later
"""A D-Bus client small enough to say anything on the wire, also what no library would let through."""
import os
import select
import socket
import struct
import time

METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY_EXPECTED, NO_AUTO_START, ALLOW_INTERACTIVE = 1, 2, 4
FIXED = {'y': ('B', 1), 'b': ('I', 4), 'n': ('h', 2), 'q': ('H', 2), 'i': ('i', 4), 'u': ('I', 4),
         'x': ('q', 8), 't': ('Q', 8), 'd': ('d', 8), 'h': ('I', 4)}
ALIGNMENT = {**{t: size for t, (_, size) in FIXED.items()}, 's': 4, 'o': 4, 'g': 1, 'a': 4, '(': 8, '{': 8, 'v': 1}


class Variant:
    """A value with its signature; compares as the value."""

    def __init__(self, signature, value):
        self.signature, self.value = signature, value

    def __repr__(self):
        return f'<{self.signature} {self.value!r}>'

    def __eq__(self, other):
        return (self.signature, self.value) == (other.signature, other.value) if isinstance(other, Variant) else False


class DBusError(Exception):
    def __init__(self, name, message):
        super().__init__(f'{name}: {message}')
        self.name, self.message = name, message


class Disconnected(Exception):
    pass


def split_types(signature):
    """'sa{sv}' -> ['s', 'a{sv}']"""
    types, i = [], 0
    while i < len(signature):
        end = _type_end(signature, i)
        types.append(signature[i:end])
        i = end
    return types


def _type_end(signature, i):
    if signature[i] == 'a':
        return _type_end(signature, i + 1)
    if signature[i] in '({':
        depth = 0
        for j in range(i, len(signature)):
            depth += {'(': 1, '{': 1, ')': -1, '}': -1}.get(signature[j], 0)
            if depth == 0:
                return j + 1
        raise ValueError(f'unbalanced signature {signature}')
    return i + 1


class Writer:
    def __init__(self):
        self.data = bytearray()

    def align(self, n):
        self.data += b'\0' * (-len(self.data) % n)

    def put(self, signature, value):
        kind = signature[0]
        self.align(ALIGNMENT[kind])
        if kind in FIXED:
            self.data += struct.pack('<' + FIXED[kind][0], int(value) if kind == 'b' else value)
        elif kind in 'so':
            raw = value if isinstance(value, bytes) else value.encode('utf-8', 'surrogateescape')
            self.data += struct.pack('<I', len(raw)) + raw + b'\0'
        elif kind == 'g':
            raw = value.encode()
            self.data += bytes([len(raw)]) + raw + b'\0'
        elif kind == 'v':
            self.put('g', value.signature)
            self.put(value.signature, value.value)
        elif kind == 'a':
            self._array(signature[1:], value)
        else:
            for part, item in zip(split_types(signature[1:-1]), value, strict=True):
                self.put(part, item)

    def _array(self, element, values):
        at = len(self.data)
        self.data += b'\0\0\0\0'
        self.align(ALIGNMENT[element[0]])
        start = len(self.data)
        if element == 'y':
            self.data += bytes(values)
        else:
            for value in (values.items() if isinstance(values, dict) else values):
                self.put(element, value)
        struct.pack_into('<I', self.data, at, len(self.data) - start)


class Reader:
    def __init__(self, data, order='<'):
        self.data, self.at, self.order = data, 0, order

    def align(self, n):
        self.at += -self.at % n

    def get(self, signature):
        kind = signature[0]
        self.align(ALIGNMENT[kind])
        if kind in FIXED:
            code, size = FIXED[kind]
            value, = struct.unpack_from(self.order + code, self.data, self.at)
            self.at += size
            return bool(value) if kind == 'b' else value
        if kind in 'so':
            return self._text(self.get('u'))
        if kind == 'g':
            return self._text(self.get('y'))
        if kind == 'v':
            inner = self.get('g')
            return Variant(inner, self.get(inner))
        if kind == 'a':
            return self._array(signature[1:])
        return tuple(self.get(part) for part in self._parts(signature))

    def _parts(self, signature):
        self.align(8)
        return split_types(signature[1:-1])

    def _text(self, length):
        raw = bytes(self.data[self.at:self.at + length])
        self.at += length + 1
        return raw.decode('utf-8', 'surrogateescape')

    def _array(self, element):
        length = self.get('u')
        self.align(ALIGNMENT[element[0]])
        end, items = self.at + length, []
        while self.at < end:
            items.append(self.get(element))
        return dict(items) if element[0] == '{' else items


class Message:
    FIELDS = {1: 'path', 2: 'interface', 3: 'member', 4: 'error_name', 5: 'reply_serial', 6: 'destination', 7: 'sender',
              8: 'signature', 9: 'unix_fds'}
    TYPES = {1: 'o', 2: 's', 3: 's', 4: 's', 5: 'u', 6: 's', 7: 's', 8: 'g', 9: 'u'}

    def __init__(self, kind, serial=0, flags=0, body=(), fds=(), **fields):
        self.kind, self.serial, self.flags, self.body, self.fds = kind, serial, flags, body, list(fds)
        for name in self.FIELDS.values():
            setattr(self, name, fields.get(name))

    def encode(self):
        body = Writer()
        for part, value in zip(split_types(self.signature or ''), self.body, strict=True):
            body.put(part, value)
        if self.fds:
            self.unix_fds = len(self.fds)
        fields = [(code, Variant(self.TYPES[code], getattr(self, name)))
                  for code, name in self.FIELDS.items() if getattr(self, name) not in (None, '')]
        head = Writer()
        head.data += struct.pack('<cBBBII', b'l', self.kind, self.flags, 1, len(body.data), self.serial)
        head.put('a(yv)', fields)
        head.align(8)
        return bytes(head.data + body.data)

    @classmethod
    def decode(cls, data):
        """(message, bytes used), or (None, 0) when more is needed."""
        if len(data) < 16:
            return None, 0
        order = '<' if data[0:1] == b'l' else '>'
        length, serial, fields = struct.unpack_from(order + 'III', data, 4)
        start = 16 + fields + (-(16 + fields) % 8)
        if len(data) < start + length:
            return None, 0
        reader = Reader(data, order)
        reader.at = 12
        message = cls(data[1], serial, data[2])
        for code, variant in reader.get('a(yv)'):
            if code in cls.FIELDS:
                setattr(message, cls.FIELDS[code], variant.value)
        body = Reader(data[start:start + length], order)
        message.body = [body.get(part) for part in split_types(message.signature or '')]
        return message, start + length


class Bus:
    """A connection to the system bus as a user. Not for threads."""

    def __init__(self, uid=None, address='/run/dbus/system_bus_socket', connected=None):
        self.uid = os.geteuid() if uid is None else uid
        self.socket = connected or self._connect(address)
        self.pending, self.serial, self.replies, self.signals, self.calls, self.fds = bytearray(), 0, {}, [], [], []
        self.log = None  # a list: everything that comes, in the order of the bus
        self._authenticate()
        self.name = self.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'Hello')[0]

    def _connect(self, address):
        # who a peer is, is settled by connect(2): the rest of the process may be root again at once
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.geteuid()
        os.seteuid(self.uid)
        try:
            connection.connect(address)
        finally:
            os.seteuid(before)
        return connection

    def _authenticate(self):
        self.socket.sendall(b'\0AUTH EXTERNAL ' + str(self.uid).encode().hex().encode() + b'\r\n')
        self._line(b'OK ')
        self.socket.sendall(b'NEGOTIATE_UNIX_FD\r\n')
        self._line(b'AGREE_UNIX_FD')
        self.socket.sendall(b'BEGIN\r\n')

    def _line(self, expected):
        line = b''
        while not line.endswith(b'\r\n'):
            line += self.socket.recv(1) or self._closed()
        if not line.startswith(expected):
            raise Disconnected(line.decode())

    def _closed(self):
        raise Disconnected('the bus closed the connection')

    def close(self):
        self.socket.close()
        self.close_fds()

    def close_fds(self):
        """Those that have come with messages."""
        while self.fds:
            os.close(self.fds.pop())

    def send(self, message):
        self.serial += 1
        message.serial = self.serial
        self.send_raw(message.encode(), message.fds)
        return self.serial

    def send_raw(self, data, fds=()):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f'{len(fds)}i', *fds))] if fds else []
        sent = self.socket.sendmsg([data], ancillary)
        if sent < len(data):
            self.socket.sendall(data[sent:])

    def send_call(self, destination, path, interface, member, signature='', args=(), flags=0, fds=()):
        return self.send(Message(METHOD_CALL, flags=flags, destination=destination, path=path, interface=interface,
                                 member=member, signature=signature, body=args, fds=fds))

    def call(self, destination, path, interface, member, signature='', args=(), timeout=30, flags=0, fds=()):
        return self.reply(self.send_call(destination, path, interface, member, signature, args, flags, fds), timeout)

    def reply(self, serial, timeout=30):
        self.wait(lambda: serial in self.replies, timeout, f'no reply in {timeout} s')
        message = self.replies.pop(serial)
        if message.kind == ERROR:
            raise DBusError(message.error_name, message.body[0] if message.body else '')
        return message.body

    def wait(self, condition, timeout, complaint):
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(complaint)
            self.receive(left)

    def receive(self, timeout=0):
        """Takes in what has come; waits at most timeout seconds for the first of it."""
        if not select.select([self.socket], [], [], timeout)[0]:
            return
        data, ancillary, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(16 * 4))
        for level, kind, raw in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self.fds += struct.unpack(f'{len(raw) // 4}i', raw[:len(raw) // 4 * 4])
        self.pending += data or self._closed()
        while True:
            message, used = Message.decode(self.pending)
            if message is None:
                return
            del self.pending[:used]
            if self.log is not None:
                self.log.append(message)
            if message.kind in (METHOD_RETURN, ERROR):
                self.replies[message.reply_serial] = message
            else:
                (self.signals if message.kind == SIGNAL else self.calls).append(message)

    def listen(self, rule):
        self.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'AddMatch', 's', [rule])

    def return_to(self, call, signature='', body=()):
        self.send(Message(METHOD_RETURN, flags=NO_REPLY_EXPECTED, destination=call.sender, reply_serial=call.serial,
                          signature=signature, body=body))

    def signal(self, path, interface, member, signature='', body=()):
        self.send(Message(SIGNAL, flags=NO_REPLY_EXPECTED, path=path, interface=interface, member=member,
                          signature=signature, body=body))

    def owner(self, name):
        try:
            return self.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'GetNameOwner', 's',
                             [name])[0]
        except DBusError:
            return None
