# SPDX-License-Identifier: GPL-2.0-or-later
"""Built things, each in a directory named after the hash of its recipe: complete or absent, never stale."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import time

from . import progress

VM_DIR = pathlib.Path(__file__).resolve().parent.parent
PROJECT = VM_DIR.parent.parent
ROOT = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "gpuctl"


def hash_of(*parts):
    """Paths count with name and content (directories with all files below), everything else as text."""
    digest = hashlib.sha256()
    for part in parts:
        files = [part] if not isinstance(part, pathlib.Path) or part.is_file() else sorted(
            f for f in part.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
        for item in files:
            digest.update(str(item.name if isinstance(item, pathlib.Path) else item).encode() + b"\0")
            if isinstance(item, pathlib.Path):
                digest.update(item.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def locked(name):
    """One process at a time builds NAME; the others wait and then find it built."""
    ROOT.mkdir(parents=True, exist_ok=True)
    with open(ROOT / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def place(kind, key):
    return ROOT / f"{kind}-{key}"


def is_built(kind, key):
    return place(kind, key).exists()


def built(kind, key, build, what, keep=2):
    """Directory KIND-KEY, made by build(directory) unless it is there already; older ones of the kind are dropped."""
    done = place(kind, key)
    if not done.exists():
        with locked(kind):
            if not done.exists():  # nobody else has built it meanwhile
                build_whole(done, build, what)
                drop_old(kind, keep)
    os.utime(done)
    return done


def build_whole(done, build, what):
    progress.say(f"building {what}")
    unfinished = done.with_name(f"{done.name}.unfinished")
    remove_unfinished(unfinished)
    unfinished.mkdir()
    build(unfinished)
    unfinished.rename(done)


def drop_old(kind, keep):
    kept = sorted(ROOT.glob(f"{kind}-????????????????"), key=lambda d: d.stat().st_mtime, reverse=True)
    for old in kept[keep:]:
        if time.time() - old.stat().st_mtime > 3600 and not in_use(old):
            remove(old)
    for leftover in ROOT.glob(f"{kind}-*.unfinished"):
        remove_unfinished(leftover)


def use(directory):
    """Keeps the directory from being dropped for as long as the returned file is open."""
    lock = open(directory / ".in-use", "w")
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def in_use(directory):
    try:
        with open(directory / ".in-use", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def mounted_in(directory):
    places = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    return [place for place in places if place.startswith(f"{directory}/")]


def remove_unfinished(directory):
    """What a build that was killed has left, with the mounts of its chroot; nobody builds in it now: the kind is locked."""
    for place in reversed(mounted_in(directory)):
        subprocess.run(["umount", place], check=True)
    remove(directory)


def remove(directory):
    """Deletes a tree, but never what a mount left inside it would reach."""
    inside = mounted_in(directory)
    if inside:
        raise RuntimeError(f"{directory} has something mounted in it: {inside[0]}")
    shutil.rmtree(directory, ignore_errors=not directory.exists())
