# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that a fresh machine lacks, as much of it side by side as can be."""
import concurrent.futures

from . import cache, guest_image, mirror, package, snapshots, toolbox

SUITES = ("trixie", "trixie-backports")


def laptop():
    """The snapshot with this tree's package. The package is compiled while the disk is made and the laptop boots."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        booted, built = pool.submit(snapshots.booted), pool.submit(package.path)
        booted.result()
        return snapshots.installed(built.result())


def require_mirror():
    """Fails at once where what is missing cannot be downloaded."""
    if not (cache.is_built("toolbox", cache.hash_of(*toolbox.RECIPE)) and cache.is_built("guest", guest_image.key())):
        for suite in SUITES:
            mirror.require_answer(suite)
