#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""man_test.py PROGRAM PAGE: every command and every option that PROGRAM's help names is in its manual page, at any depth."""
import pathlib
import re
import subprocess
import sys


def help_of(program, command):
    return subprocess.run([program, *command, '--help'], check=True, capture_output=True, text=True).stdout


def plain(page):
    """What a reader sees, near enough: macros, escapes and line ends are blanks."""
    text = re.sub(r'\\-', '-', pathlib.Path(page).read_text())
    return ' '.join(re.sub(r'^\.\w+|\b(Fl|Cm|Ar|Op|Oo|Oc|Ns|Li)\b', ' ', text, flags=re.M).split())


def missing(program, page, command=()):
    text = help_of(program, command)
    options = {f'-{option}' for option in re.findall(r'(?<![\w-])-?-([a-z][a-z-]+)', text)}
    yield from (f'{" ".join(command)} -{option}' for option in sorted(options) if option not in page)
    _, _, below = text.partition('Subcommands:\n')
    for name in re.findall(r'^  ([a-z][a-z-]*)', below, re.M):
        deeper = (*command, name)
        if ' '.join(deeper) not in page:
            yield ' '.join(deeper)
        yield from missing(program, page, deeper)


def main(program, page):
    found = list(missing(program, plain(page)))
    print('\n'.join(f'{page} does not tell of: {name}' for name in found))
    return 1 if found else 0


sys.exit(main(*sys.argv[1:]))
