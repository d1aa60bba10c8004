# SPDX-License-Identifier: GPL-2.0-or-later
"""The gpuctl package for Debian 13, built from the tree as it is now in the toolbox."""
import os
import pathlib
import re
import shutil

from . import cache, progress, toolbox

LEFT_OUT = re.compile(r"build.*|\..*|tests|__pycache__")
BINDS = [(cache.PROJECT, "/source"), (cache.ROOT, str(cache.ROOT))]


def sources_key():
    """Hash of everything the package can depend on, committed or not."""
    parts = []
    for directory, subdirectories, files in os.walk(cache.PROJECT):
        subdirectories[:] = sorted(name for name in subdirectories if not LEFT_OUT.fullmatch(name))
        for file in sorted(files):
            path = pathlib.Path(directory, file)
            parts += [str(path.relative_to(cache.PROJECT)), path]
    return cache.hash_of(*parts)


def path():
    """The .deb; built when a source has changed."""
    directory = cache.built("package", cache.hash_of(sources_key(), cache.hash_of(*toolbox.RECIPE)), build, "the gpuctl package", keep=4)
    return next(directory.glob("*.deb"))


def build(directory):
    compile_tree()
    for old in tree().glob("*.deb"):
        old.unlink()
    run(["cpack", "-G", "DEB", "--config", tree() / "CPackConfig.cmake", "-B", tree()], "packing gpuctl")
    for file in tree().glob("*.deb"):
        shutil.copy(file, directory)


def tree():
    """Where it is compiled: kept, so that the next time only what has changed is."""
    return cache.ROOT / "build" / f"toolbox-{cache.hash_of(str(cache.PROJECT))}"


def compile_tree():
    tree().mkdir(parents=True, exist_ok=True)
    run(["cmake", "--preset", "release", "-B", tree(), "-DGPUCTL_TESTS=OFF", "-DGPUCTL_WERROR=ON",
         "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache", "-DCMAKE_INSTALL_PREFIX=/usr"], "configuring gpuctl")
    run(["cmake", "--build", tree()], "compiling gpuctl")


def environment():
    return {**os.environ, "CCACHE_DIR": str(cache.ROOT / "ccache"), "LC_ALL": "C.UTF-8"}


def run(argv, what):
    progress.run(toolbox.command(argv, BINDS, "/source"), what, env=environment())
