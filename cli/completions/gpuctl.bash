# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for gpuctl: commands, options, and the GPUs, VMs and operations there are right now.

# _gpuctl_live KIND: the words that the daemon knows, without their descriptions. Another host's are not asked for.
_gpuctl_live() {
    [[ " ${COMP_WORDS[*]}" != *' --host'* ]] || return
    gpuctl __complete "$1" 2>/dev/null | cut -f1
}

# _gpuctl_words CURRENT WORD...: offers the words that CURRENT begins.
_gpuctl_words() {
    local current=$1
    shift
    local IFS=$'\n'
    mapfile -t COMPREPLY < <(compgen -W "$(printf '%s\n' "$@")" -- "$current")
}

# _gpuctl_plain CURRENT: sets plain to what the shell would read in CURRENT, and open to the quote that is not closed yet.
# Nothing is expanded.
_gpuctl_plain() {
    local -i i
    local char
    plain='' open=''
    for ((i = 0; i < ${#1}; i++)); do
        char=${1:i:1}
        case $open$char in
        \' | \") open=$char ;;
        \'\' | \"\") open='' ;;
        \\ | \"\\) ((++i)); plain+=${1:i:1} ;;
        *) plain+=$char ;;
        esac
    done
}

# _gpuctl_quoted QUOTE WORD: WORD as it is typed after an open QUOTE, or without one.
_gpuctl_quoted() {
    local word=$2 char
    case $1 in
    \') printf '%s\n' "${word//\'/\'\\\'\'}" ;;
    \")
        for char in \\ \" \$ \`; do
            word=${word//"$char"/"\\$char"}
        done
        printf '%s\n' "${word//!/\"\\!\"}"
        ;;
    *) printf '%q\n' "$word" ;;
    esac
}

# _gpuctl_live_words CURRENT KIND: quoted, for a VM may have any name. PCI addresses hold colons, at which bash takes
# words apart.
_gpuctl_live_words() {
    local word plain open
    _gpuctl_plain "$1"
    COMPREPLY=()
    [[ -z $open || $1 == "$open"* ]] || return
    while IFS= read -r word; do
        [[ $word != "$plain"* ]] || COMPREPLY+=("$(_gpuctl_quoted "$open" "$word")")
    done < <(_gpuctl_live "$2")
    if declare -F __ltrim_colon_completions >/dev/null; then
        __ltrim_colon_completions "$1"
    fi
}

_gpuctl() {
    local cur prev words cword
    if declare -F _init_completion >/dev/null; then
        _init_completion -n : || return
    else
        cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
        words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    fi

    local command='' sub='' i
    local -i arguments=0
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
        --host | --gpu | --looking-glass | --transport | --rom | --report | --output) ((i++)) ;;
        -*) ;;
        *)
            if [[ -z $command ]]; then
                command=${words[i]}
            elif [[ -z $sub && $command =~ ^(vm|rom|looking-glass|kernel-args|boot)$ ]]; then
                sub=${words[i]}
            else
                ((arguments++))
            fi
            ;;
        esac
    done

    case $prev in
    --gpu) _gpuctl_live_words "$cur" gpus; return ;;
    --host) declare -F _known_hosts_real >/dev/null && _known_hosts_real -a -- "$cur"; return ;;
    --transport) _gpuctl_words "$cur" shmem kvmfr; return ;;
    --looking-glass) _gpuctl_words "$cur" 1920x1080 2560x1440 3440x1440 3840x2160; return ;;
    --rom) mapfile -t COMPREPLY < <(compgen -W auto -- "$cur"; compgen -f -- "$cur"); return ;;
    --report | --output) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    esac

    local options='--json --host --no-color --help'
    case "$command $sub" in
    'attach ') options+=' --gpu --dry-run --live --config --start --keep --force --no-wait --view' ;;
    'check ') options+=' --gpu --force --live --config' ;;
    'release ') options+=' --dry-run --live --config --force --no-wait --reset --rescan' ;;
    'groups ') options+=' --all' ;;
    'doctor ') options+=' --report' ;;
    'vm check') options+=' --gpu' ;;
    'vm setup') options+=' --looking-glass --transport --rom --gpu --battery --dry-run --undo' ;;
    'kernel-args plan' | 'kernel-args enable') options+=' --passthrough --drop-vfio-ids' ;;
    'boot set') options+=' --migrate' ;;
    'rom dump') options+=' --output --raw' ;;
    ' ') options+=' --version' ;;
    esac
    if [[ $cur == -* ]]; then
        # shellcheck disable=SC2086 # one word each
        _gpuctl_words "$cur" $options
        return
    fi

    case "$command $sub/$arguments" in
    ' /0') _gpuctl_words "$cur" list show groups check attach release users doctor operations cancel monitor vm rom \
        looking-glass kernel-args boot ;;
    'vm /0') _gpuctl_words "$cur" list check setup ;;
    'rom /0') _gpuctl_words "$cur" show dump check ;;
    'looking-glass /0') _gpuctl_words "$cur" check ;;
    'kernel-args /0') _gpuctl_words "$cur" show plan enable undo ;;
    'boot /0') _gpuctl_words "$cur" show set clear confirm ;;
    'attach /0' | 'check /0' | 'vm check/0' | 'vm setup/0' | 'looking-glass check/0') _gpuctl_live_words "$cur" vms ;;
    'show /0' | 'users /0' | 'release /0' | 'boot set/0' | 'boot clear/0' | 'boot confirm/0') _gpuctl_live_words "$cur" gpus ;;
    'boot set/1') _gpuctl_words "$cur" vm host last clear confirm ;;
    'rom show/0' | 'rom check/0' | 'rom dump/0')
        _gpuctl_live_words "$cur" gpus
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
        ;;
    'cancel /0') _gpuctl_live_words "$cur" operations ;;
    esac
}

complete -F _gpuctl gpuctl
