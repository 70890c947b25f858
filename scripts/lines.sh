# Sourced by the scripts beside it: how they speak, and where they keep what is the machine's own.
# shellcheck shell=bash

state=${XDG_STATE_HOME:-$HOME/.local/state}/shipit
mkdir -p "$state"

# One line per step. Everything that a step itself says goes to a log, shown only when it fails.
say() { printf '%-8s %s\n' "${0##*/}:" "$*" >&2; }

die() {
    say "$@"
    exit 1
}

quietly() {
    local log="$state/${0##*/}.log"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        die "failed: $* (all of it is in $log)"
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: run '$*' as root, then try again"
    fi
}
