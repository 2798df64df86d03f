# SPDX-License-Identifier: MIT
# Starts and stops the components of the demo, for quickstart, which sources this file and sets
# $root, $var, $run and $components.
#
# A component is a process group of its own, out of reach of the terminal. $run/NAME.pid has the
# number of its first process and the time when that began: a later process that got the same number
# is a stranger and is left alone, even if quickstart was killed or the machine was restarted.

# SECONDS: waits for the only right to start or stop what is in $var.
lock() {
    mkdir -p "$var"
    command -v flock >/dev/null || return 0
    exec 9>"$var/lock"
    flock -w "$1" 9 || die "another quickstart is at work in $var"
}

# NAME COMMAND...
start() {
    local name=$1
    shift
    set -m
    "$@" >>"$var/log/$name.log" 2>&1 </dev/null 3>&- 9>&- &
    set +m
    printf '%s %s\n' $! "$(began $!)" >"$run/$name.pid"
}

# PID: when it began; nothing when it is no more.
began() {
    if [[ -d /proc/self ]]; then
        awk '{ sub(/.*\) /, "") } $1 != "Z" { print $20 }' "/proc/$1/stat"
    else
        ps -o lstart= -p "$1"
    fi 2>/dev/null || :
}

alive() {
    local pid='' time=''
    [[ ! -f $run/$1.pid ]] || read -r pid time <"$run/$1.pid"
    [[ $time && $time == "$(began "$pid")" ]]
}

all_alive() {
    local name
    for name in "${components[@]}"; do alive "$name" || return 1; done
}

# NAME SECONDS CONDITION...: waits until a component that was just started is of use.
await_ready() {
    local name=$1 end=$((SECONDS + $2))
    shift 2
    until "$@"; do
        alive "$name" || die "$name has ended"
        ((SECONDS < end)) || die "gave up waiting for $name"
        sleep 0.1
    done
}

# GROUP: its living processes that are ours. A group may outlive its first process.
survivors() {
    local pid physical
    physical=$(cd "$var" && pwd -P) # as /proc has it
    for pid in $(pgrep -g "$1"); do
        [[ -d /proc/self && $(readlink "/proc/$pid/cwd") != @("$root"|"$physical"/*) ]] || echo "$pid"
    done
}

# NAME
stop() {
    local group signal
    [[ -f $run/$1.pid ]] || return 0
    read -r group _ <"$run/$1.pid"
    # If a stranger has the number, it was free, so all of the group are gone.
    if alive "$1" || [[ -z $(began "$group") ]]; then
        for signal in TERM KILL; do
            survivors "$group" | xargs kill -s "$signal" 2>/dev/null || :
            await_end "$group" 30 && break
            echo "$1 did not stop within 30 s of signal $signal."
        done
    fi
    rm -f "$run/$1.pid"
}

# GROUP SECONDS
await_end() {
    local end=$((SECONDS + $2))
    while [[ $(survivors "$1") ]]; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

stop_all() {
    local name
    for name in "${components[@]}"; do stop "$name"; done
}
