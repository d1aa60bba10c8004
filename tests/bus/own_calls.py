# SPDX-License-Identifier: GPL-2.0-or-later
"""strace at the daemon: what its processes change, and a kill or an error at one of these calls.

strace counts each name for itself, in each process for itself. A kill comes before its call, a stop right after it. With
--seccomp-bpf an injected signal does nothing: not here.
"""
import collections
import re
import signal
import subprocess

from machine import WORK, until

NAMES = ['write', 'pwrite64', 'writev', 'fsync', 'fdatasync', 'fallocate', 'truncate', 'ftruncate', 'fchmod', 'chmod', 'mkdir',
         'mkdirat', 'rename', 'renameat', 'renameat2', 'link', 'linkat', 'unlink', 'unlinkat', 'rmdir']
OWN_FILES = re.compile(rf'[<"](?:{WORK}/state|/run/gpuctl)/')
FILES_AND_SYSFS = re.compile(rf'[<"](?:{WORK}/state|/run/gpuctl|/sys)/')
ENTRY = re.compile(r'(\d+) +(\w+)\((.*)')

Call = collections.namedtuple('Call', 'pid name n what')


class Trace:
    """A log of its own; `inject` is strace's: 'fsync:signal=KILL:when=3'."""

    def __init__(self, inject=None):
        self.log, self.process = WORK / 'calls', None
        self.log.unlink(missing_ok=True)
        inject = ['-e', f'inject={inject}'] if inject else []
        self.command = ['strace', '-f', '-y', '-o', str(self.log), '-e', f'trace={",".join(NAMES)}', *inject]
        self.prefix = [*self.command, '-D']  # for a daemon that is only started

    def follow(self, pid):
        """From now on what this process and those it starts do."""
        self.process = subprocess.Popen([*self.command, '-p', str(pid)], stderr=subprocess.PIPE, text=True)
        attached = self.process.stderr.readline()
        if 'attached' not in attached:
            raise RuntimeError(attached)

    def end(self):
        """Whoever still runs goes on untraced."""
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.communicate(timeout=10)

    def lines(self):
        return self.log.read_text(errors='replace').splitlines() if self.log.exists() else []

    def calls(self, files):
        """Those on these files, in order."""
        counts, found = collections.Counter(), []
        for line in self.lines():
            if entry := ENTRY.match(line):
                pid, name, what = entry.groups()
                counts[pid, name] += 1
                if files.search(what):
                    found.append(Call(pid, name, counts[pid, name], what))
        return found

    def said_at(self, files, name, n, sign):
        """The call on these files that is the N-th of this name in a process of which the log says this then."""
        hit = [call for call in self.calls(files) if (call.name, call.n) == (name, n)]
        return next((call for call in hit if any(line.startswith(f'{call.pid} ') and sign in line for line in self.lines())), None)

    def await_at(self, files, name, n, sign, timeout=30):
        return until(lambda: self.said_at(files, name, n, sign), timeout, f'{name} {n} with "{sign}"')
