# SPDX-License-Identifier: GPL-2.0-or-later
"""The disk, kernel and initrd of the emulated laptop."""
import concurrent.futures
import os
import shutil
import subprocess
import tempfile

from . import bootstrap, cache, toolbox

IMAGE = cache.VM_DIR / "image"
MODULES = cache.VM_DIR / "kernel-modules"
RECIPE = (*(f for f in sorted(IMAGE.iterdir()) if f.name != "toolbox.packages"), MODULES,
          cache.VM_DIR / "lab" / "bootstrap.py", cache.VM_DIR / "lab" / "guest_image.py")
DISK_SIZE = 3 << 30
KEEP_KERNEL_LINKS_AWAY = '--essential-hook=mkdir -p "$1/etc/kernel"; echo do_symlinks=no > "$1/etc/kernel-img.conf"'


def path():
    """Directory with disk.raw, vmlinuz, initrd, grub, ssh-key. Builds the toolbox beside it where that is missing."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        tools = pool.submit(toolbox.path)
        image = cache.built("guest", key(), lambda directory: build(directory, tools), "the laptop's disk", keep=1)
        tools.result()
    return image


def key():
    return cache.hash_of(*RECIPE)


def build(directory, tools):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laptop", "-f", directory / "ssh-key"],
                   check=True)
    root = directory / "root"
    unpack(root, directory / "ssh-key.pub")
    tools.result()
    kernel = max(d.name for d in (root / "lib" / "modules").iterdir())
    install_stub_modules(root, kernel)
    install_nested_machine(root, kernel)
    shutil.copy(root / "boot" / f"vmlinuz-{kernel}", directory / "vmlinuz")
    (root / "boot" / f"System.map-{kernel}").unlink(missing_ok=True)
    make_disk(directory, kernel)
    cache.remove(root)


def unpack(root, public_key):
    bootstrap.debootstrap(root, bootstrap.package_names(IMAGE / "guest.packages"), suites=("trixie",), hooks=(
        '--setup-hook=mkdir -p "$1/etc/initramfs-tools" "$1/usr/share/man/man1"', KEEP_KERNEL_LINKS_AWAY,
        f"--customize-hook='{IMAGE / 'customize-guest'}' \"$1\" '{public_key}'"))


def install_stub_modules(root, kernel):
    """nvidia, nvidia_drm where Debian's DKMS package puts the real ones, and the fault injector."""
    if not (toolbox.path() / "lib" / "modules" / kernel).exists():
        raise RuntimeError(f"the toolbox has no headers of kernel {kernel}: the archive changed while the images were "
                           f"built. Remove {toolbox.path().parent} and start again")
    with tempfile.TemporaryDirectory(dir=cache.ROOT) as scratch:
        shutil.copytree(MODULES, scratch, dirs_exist_ok=True)
        toolbox.run(["make", "-s", f"KERNEL_HEADERS=/lib/modules/{kernel}/build"], binds=[(scratch, "/build")],
                    cwd="/build")
        target = root / "lib" / "modules" / kernel / "updates" / "dkms"
        target.mkdir(parents=True)
        for module in sorted(os.listdir(scratch)):
            if module.endswith(".ko"):
                shutil.copy(f"{scratch}/{module}", target)
    toolbox.run(["depmod", "-b", "/guest", kernel], binds=[(root, "/guest")])


def install_nested_machine(root, kernel):
    images = root / "var" / "lib" / "libvirt" / "images"
    toolbox.run(["/recipe/make-nested", "/guest/var/lib/libvirt/images/nested-initrd"],
                binds=[(root, "/guest"), (IMAGE, "/recipe")])
    shutil.copy(root / "boot" / f"vmlinuz-{kernel}", images / "nested-vmlinuz")
    for file in images.glob("nested-*"):
        file.chmod(0o644)
    shutil.copytree(IMAGE, root / "usr" / "share" / "laptop", ignore=lambda _, names: [
        name for name in names if not name.endswith(".xml")])


def make_disk(directory, kernel):
    binds = [(directory, "/image"), (IMAGE, "/recipe")]
    toolbox.run(["/recipe/make-initrd", "/image/root", kernel, "/image/initrd"], binds=binds)
    shutil.copy(directory / "initrd", directory / "root" / "boot" / f"initrd.img-{kernel}")
    toolbox.run(["/recipe/make-boot-loader", "/image/root", "/image/grub"], binds=binds)
    with open(directory / "disk.raw", "w") as disk:
        disk.truncate(DISK_SIZE)
    toolbox.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-E",
                 "lazy_itable_init=1,nodiscard", "-m", "0", "-L", "laptop", "-d", "/image/root", "/image/disk.raw"],
                binds=binds)
