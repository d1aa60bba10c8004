# SPDX-License-Identifier: GPL-2.0-or-later
"""The server side of the vfio-user protocol, as far as QEMU's vfio-user-pci uses it (docs/interop/vfio-user.rst)."""
import array
import json
import os
import socket
import struct

from .function import ROM_REGION

HEADER = struct.Struct("<HHIII")  # message id, command, size, flags, error
REPLY, NO_REPLY, ERROR = 0x1, 0x10, 0x20
VERSION, DMA_MAP, DMA_UNMAP, GET_INFO, GET_REGION_INFO, GET_IRQ_INFO, SET_IRQS = 1, 2, 3, 4, 5, 7, 8
REGION_READ, REGION_WRITE, DMA_READ, DMA_WRITE, DEVICE_RESET, REGION_WRITE_MULTI = 9, 10, 11, 12, 13, 15
REGIONS, IRQ_KINDS = 9, 5
INTX, MSI = 0, 1
UNSUPPORTED = 95


class Connection:
    """One connected QEMU. The function does DMA and raises interrupts through it."""

    def __init__(self, sock, function):
        self.sock, self.function = sock, function
        self.last_id = 1
        self.event_fds = {}
        self.handlers = {VERSION: self.version, DMA_MAP: self.dma_map, DMA_UNMAP: self.dma_unmap, GET_INFO: self.info,
                         GET_REGION_INFO: self.region_info, GET_IRQ_INFO: self.irq_info, SET_IRQS: self.set_irqs,
                         REGION_READ: self.region_read, REGION_WRITE: self.region_write, DEVICE_RESET: self.reset,
                         REGION_WRITE_MULTI: self.region_write_multi}

    def serve_one(self):
        self.handle(*self.receive())
        self.function.after_message(self)

    def close(self):
        for fds in self.event_fds.values():
            close_all(fds)
        self.sock.close()

    # what the function may do

    def dma_read(self, address, count):
        reply = self.request(DMA_READ, struct.pack("<QQ", address, count))
        return reply and reply[16:16 + count]

    def dma_write(self, address, data):
        self.request(DMA_WRITE, struct.pack("<QQ", address, len(data)) + data)

    def interrupt(self):
        for kind in (MSI, INTX):
            for fd in self.event_fds.get(kind, []):
                os.write(fd, struct.pack("<Q", 1))
                return

    # messages

    def receive(self):
        fds = array.array("i")
        data, ancillary, _, _ = self.sock.recvmsg(HEADER.size, socket.CMSG_SPACE(16 * fds.itemsize))
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
        if not data:
            raise EOFError
        header = HEADER.unpack(data + self.receive_exactly(HEADER.size - len(data)))
        return header, self.receive_exactly(header[2] - HEADER.size), list(fds)

    def receive_exactly(self, count):
        data = b""
        while len(data) < count:
            chunk = self.sock.recv(count - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return data

    def request(self, command, payload):
        """Asks QEMU; serves what QEMU asks meanwhile. None if it refused."""
        self.last_id = self.last_id + 1 & 0xFFFF
        wanted = self.last_id
        self.sock.sendall(HEADER.pack(wanted, command, HEADER.size + len(payload), 0, 0) + payload)
        while True:
            header, reply, fds = self.receive()
            if header[3] & 0xF == REPLY and header[0] == wanted:
                return None if header[3] & ERROR else reply
            self.handle(header, reply, fds)

    def handle(self, header, payload, fds):
        message, command, _, flags, _ = header
        handler = self.handlers.get(command)
        reply, error = (handler(payload, fds), 0) if handler else (b"", UNSUPPORTED)
        close_all(fds)
        if not flags & NO_REPLY:
            answer = HEADER.pack(message, command, HEADER.size + len(reply), REPLY | (ERROR if error else 0), error)
            self.sock.sendall(answer + reply)

    def version(self, payload, _):
        capabilities = {"capabilities": {"max_msg_fds": 8, "max_data_xfer_size": 1 << 20}}
        return payload[:4] + json.dumps(capabilities).encode() + b"\0"

    def dma_map(self, _payload, _fds):
        return b""

    def dma_unmap(self, payload, _):
        return payload[:24]

    def info(self, _payload, _fds):
        return struct.pack("<IIII", 16, 3, REGIONS, IRQ_KINDS)

    def region_info(self, payload, _):
        index = struct.unpack_from("<I", payload, 8)[0]
        size = self.function.region_size(index)
        flags = 0 if not size else 1 if index == ROM_REGION else 3
        return struct.pack("<IIIIQQ", 32, flags, index, 0, size, 0)

    def irq_info(self, payload, _):
        index = struct.unpack_from("<I", payload, 8)[0]
        return struct.pack("<IIII", 16, {INTX: 7, MSI: 1}.get(index, 0), index, 1 if index in (INTX, MSI) else 0)

    def set_irqs(self, payload, fds):
        _, flags, index, _, count = struct.unpack_from("<IIIII", payload)
        if not count:
            close_all(self.event_fds.pop(index, []))
        elif flags & 0x4 and flags & 0x20:  # event file descriptors that trigger
            close_all(self.event_fds.pop(index, []))
            self.event_fds[index] = [fds.pop(0) for _ in range(min(count, len(fds)))]
        return b""

    def region_read(self, payload, _):
        offset, region, count = struct.unpack_from("<QII", payload)
        return payload[:16] + self.function.read(region, offset, count)

    def region_write(self, payload, _):
        offset, region, count = struct.unpack_from("<QII", payload)
        self.function.write(region, offset, payload[16:16 + count])
        return payload[:16]

    def region_write_multi(self, payload, _):
        writes, = struct.unpack_from("<Q", payload)
        for start in range(8, 8 + 24 * writes, 24):
            offset, region, count = struct.unpack_from("<QII", payload, start)
            self.function.write(region, offset, payload[start + 16:start + 16 + count])
        return payload[:8]

    def reset(self, _payload, _fds):
        self.function.counts["reset"] += 1
        self.function.log("device reset")
        self.function.reset()
        return b""


def close_all(fds):
    for fd in fds:
        os.close(fd)
