# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian tree from a list of packages."""
import os
import pathlib
import tempfile

from . import mirror, progress

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LEFT_OUT = ("man", "doc", "locale", "info")


def package_names(path):
    return [line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]


def debootstrap(root, packages, suites, preferences="", hooks=()):
    """Unpacks and configures PACKAGES of SUITES into the new directory ROOT."""
    archive = mirror.debian()
    sources = "".join(f"deb [signed-by={KEYRING}] {archive} {suite} main\n" for suite in suites)
    with tempfile.TemporaryDirectory() as scratch:
        pins = pathlib.Path(scratch) / "preferences"
        pins.write_text(preferences)
        pins.chmod(0o644)
        archive_list = pathlib.Path(scratch) / "sources.list"
        archive_list.write_text(sources)
        progress.run(
            ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}",
             "--aptopt=Apt::Install-Recommends \"false\"", *(f"--aptopt={o}" for o in mirror.download_options()),
             "--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in LEFT_OUT),
             f'--setup-hook=mkdir -p "$1/etc/apt/preferences.d"; cp {pins} "$1/etc/apt/preferences.d/gpuctl"',
             *hooks, suites[0], str(root), str(archive_list)],
            f"{root.parent.name.split('-')[0]}: {len(packages)} packages and what they depend on",
            env={**os.environ, "INITRD": "No"})  # the kernel package would make one that nobody uses
