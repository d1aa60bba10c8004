# SPDX-License-Identifier: GPL-2.0-or-later
"""A process of a session or service: connects to the bus whenever the tests ask, and hands the connection over. It stays: whose
session a caller is in, polkit learns from the process.

session_caller.py NAME TESTS BUS"""
import socket
import sys


def serve(name, tests_path, bus_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as tests:
        tests.connect(tests_path)
        tests.send(name.encode())
        while tests.recv(1):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.connect(bus_path)
                socket.send_fds(tests, [b'.'], [connection.fileno()])


if __name__ == '__main__':
    serve(*sys.argv[1:])
