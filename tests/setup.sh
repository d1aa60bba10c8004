# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0-or-later
# Read by tests/try and tests/run: root, packages, and where built things are kept.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gpuctl
project_hash=$(printf %s "$project" | sha256sum | cut -c1-16)  # several checkouts, one cache
started=$SECONDS

# On a terminal the headings stand out; in a log they are plain.
say() {
    local bold='' plain=''
    if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; fi
    printf '%s==> [%d:%02d] %s%s\n' "$bold" $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) "$*" "$plain"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Starts the calling script again through sudo where it is not root: images and kernel objects need it.
become_root() {
    [ "$(id -u)" != 0 ] || return 0
    command -v sudo > /dev/null || die "needs root: run it as root, or install sudo"
    exec sudo --preserve-env=CI,NO_COLOR,http_proxy,https_proxy,no_proxy "$project/tests/${0##*/}" "$@"
}

# install_packages FILE...: the packages named in the files, those that are missing.
install_packages() {
    local wanted missing=()
    wanted=$(sed -e 's/#.*//' "$@")
    for package in $wanted; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${#missing[@]} packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update > /dev/null
    apt-get -q install -y --no-install-recommends "${missing[@]}" > "$cache/apt.log" 2>&1 < /dev/null ||
        { tail -n 30 "$cache/apt.log" >&2; die "apt-get could not install the packages"; }
}

# logged NAME COMMAND...: its output goes to a file; the end of that is shown when the command fails.
logged() {
    local log=$cache/log/$1.log
    shift
    "$@" > "$log" 2>&1 < /dev/null && return
    echo "--- the end of $log:" >&2
    tail -n 60 "$log" >&2
    return 1
}

mkdir -p "$cache/log"
