# SPDX-License-Identifier: GPL-2.0-or-later
"""Long work that is not silent: a line now and then, and the end of the log when it fails."""
import subprocess
import sys
import tempfile
import time

INTERVAL = 10  # seconds between two signs of life


def say(text):
    print(f"    {text}", file=sys.stderr, flush=True)


def run(argv, what, **options):
    """Runs it to its end. Every INTERVAL says how far it is, by its own last line."""
    start = time.monotonic()
    with tempfile.NamedTemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        while True:
            try:
                status = process.wait(INTERVAL)
                break
            except subprocess.TimeoutExpired:
                say(f"{what}: {time.monotonic() - start:.0f} s, {last_line(log.name)}")
        if status:
            sys.stderr.write(open(log.name, errors="replace").read()[-8000:])
            raise RuntimeError(f"{what}: {argv[0]} ended with {status}")


def last_line(path):
    lines = [line.strip() for line in open(path, errors="replace").read()[-2000:].splitlines() if line.strip()]
    return lines[-1][:80] if lines else "..."
