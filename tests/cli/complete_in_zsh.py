#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: complete_in_zsh.py DIRECTORY LINE: what zsh offers after LINE with the completions in DIRECTORY.

zsh completes only on a terminal, so it gets one; what is offered goes to a file, for the screen is for people.
"""
import os
import pty
import sys
import tempfile

SETUP = """
PS1= PS2= ; unsetopt prompt_cr prompt_sp
fpath=({completions} $fpath)
autoload -U compinit
compinit -C -d $HOME/zcompdump
compadd() {{
    [[ ${{@[1,(i)(-|--)]}} == *-(O|A|D)\\ * ]] && {{ builtin compadd "$@"; return }}
    local -a found
    builtin compadd -O found "$@"
    (( $#found )) && print -rl -- $found >> {offers}
    builtin compadd "$@"
}}
finish() {{ print -r THE-END; kill -KILL $$ }}
comppostfuncs=(finish)
bindkey '^I' complete-word
zle-line-init() {{ print -r ZLE-READY }}
zle -N zle-line-init
"""


def wait_for(terminal, sign):
    seen = b""
    while sign not in seen:
        try:
            more = os.read(terminal, 4096)
        except OSError:  # the other side is gone
            break
        if not more:
            break
        seen += more


def main():
    completions, line = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        offers = os.path.join(directory, "offers")
        setup = os.path.join(directory, "setup.zsh")
        open(offers, "w").close()
        with open(setup, "w") as file:
            file.write(SETUP.format(completions=completions, offers=offers))
        child, terminal = pty.fork()
        if child == 0:
            os.environ.update(TERM="dumb", ZDOTDIR=directory)
            os.execlp("zsh", "zsh", "-f", "-i")
        os.write(terminal, f". {setup}\n".encode())
        wait_for(terminal, b"ZLE-READY")
        os.write(terminal, f"{line}\t".encode())
        wait_for(terminal, b"THE-END")
        os.waitpid(child, 0)
        with open(offers) as file:
            sys.stdout.write(file.read())


main()
