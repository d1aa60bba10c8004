# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands in the emulated machine over ssh, all of a user through one connection."""
import subprocess


class Shell:
    def __init__(self, directory, key, port):
        self.directory, self.key, self.port = directory, key, port
        self.users = set()

    def ssh(self, user, *options):
        self.users.add(user)
        return ["ssh", "-q", "-F", "none", "-i", str(self.key), "-p", str(self.port), "-o", "StrictHostKeyChecking=no",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=30", "-o", "ControlMaster=auto",
                "-o", f"ControlPath={self.directory}/ssh-%r", "-o", "ControlPersist=600", *options, f"{user}@127.0.0.1"]

    def run(self, command, user="root", timeout=120, stdin=None):
        """A finished process with text; exit status 124 after TIMEOUT seconds."""
        try:
            return subprocess.run([*self.ssh(user), command], input=stdin if stdin is not None else "",
                                  capture_output=True, text=not isinstance(stdin, bytes), timeout=timeout)
        except subprocess.TimeoutExpired as late:
            text = [(part or b"").decode(errors="replace") for part in (late.stdout, late.stderr)]
            return subprocess.CompletedProcess(command, 124, text[0], text[1] + f"\nstill running after {timeout} s")

    def start(self, command, user="root"):
        """A running process; its end of the connection can be killed."""
        return subprocess.Popen([*self.ssh(user), command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def interactive(self, user, command="", terminal=True):
        """A person's shell, or the command with its output going where ours goes. The exit status."""
        return subprocess.call([*self.ssh(user, *(["-t"] if terminal else [])), *([command] if command else [])])

    def put(self, source, target):
        """Copies a file in."""
        done = self.run(f"cat > '{target}'", stdin=source.read_bytes())
        if done.returncode:
            raise OSError(f"cannot write {target}: {done.stderr}")

    def log_out(self, user):
        """The next command is a new login, with the groups the user has by then."""
        self.users.discard(user)
        subprocess.run([*self.ssh(user)[:-1], "-O", "exit", f"{user}@127.0.0.1"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def close(self):
        for user in list(self.users):
            self.log_out(user)
