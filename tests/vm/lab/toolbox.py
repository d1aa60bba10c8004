# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian 13 chroot that runs the outer QEMU and builds the stub modules and the package."""
import shlex
import subprocess

from . import bootstrap, cache

RECIPE = (cache.VM_DIR / "image" / "toolbox.packages", cache.VM_DIR / "lab" / "bootstrap.py", "toolbox 1")
# QEMU with vfio-user-pci (10.1 or newer) comes from backports; everything else, the kernel headers above all, does not.
PREFERENCES = "Package: qemu-* seabios ipxe-qemu\nPin: release n=trixie-backports\nPin-Priority: 900\n"


def path():
    return cache.built("toolbox", cache.hash_of(*RECIPE), build, "the toolbox, a Debian 13 with QEMU and compilers", keep=1) / "root"


def build(directory):
    packages = bootstrap.package_names(cache.VM_DIR / "image" / "toolbox.packages")
    bootstrap.debootstrap(directory / "root", packages, suites=("trixie", "trixie-backports"), preferences=PREFERENCES)


def kernel(root):
    """Version of the kernel whose headers are in it."""
    return max(d.name for d in (root / "lib" / "modules").iterdir())


def command(argv, binds=(), cwd="/"):
    """ARGV as run inside, in a mount namespace of its own with the (outside, inside) directories of BINDS."""
    root = path()
    steps = [f"mount --rbind /dev {root}/dev", f"mount -t proc proc {root}/proc"]
    for outside, inside in binds:
        target = shlex.quote(f"{root}{inside}")
        steps += [f"mkdir -p {target}", f"mount --rbind {shlex.quote(str(outside))} {target}"]
    steps.append(f'exec chroot {root} sh -c \'cd "$0" && exec "$@"\' {shlex.quote(cwd)} "$@"')
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "; ".join(steps), "sh", *map(str, argv)]


def run(argv, binds=(), cwd="/", **options):
    return subprocess.run(command(argv, binds, cwd), check=True, **options)
