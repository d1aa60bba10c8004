# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's machine protocol: one connection, commands and events."""
import json
import socket
import time


class QmpError(RuntimeError):
    pass


class Qmp:
    def __init__(self, path, timeout=60):
        self.events = []
        self.socket = connect(path, timeout)
        self.socket.settimeout(timeout)
        self.stream = self.socket.makefile("rw")
        self.receive()
        self.execute("qmp_capabilities")

    def receive(self):
        line = self.stream.readline()
        if not line:
            raise QmpError("QEMU has closed the connection")
        return json.loads(line)

    def execute(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            reply = self.receive()
            if "error" in reply:
                raise QmpError(f"{command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]
            self.events.append(reply)

    def wait_event(self, name, **data):
        """Until an event comes that has this name and these data, those already received included."""
        while True:
            for event in self.events:
                if event["event"] == name and data.items() <= event.get("data", {}).items():
                    self.events.remove(event)
                    return event
            message = self.receive()
            if "event" in message:
                self.events.append(message)

    def human(self, line):
        return self.execute("human-monitor-command", **{"command-line": line})

    def close(self):
        self.stream.close()
        self.socket.close()


def connect(path, timeout):
    deadline = time.monotonic() + timeout
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(path))
            return sock
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
