#!/usr/bin/env bash
# A Docker engine for tests, on a machine that has none running: a container of CI, a development machine without
# systemd. It keeps everything of its own in two folders and touches neither the host's network (no bridge, no
# firewall rules: our containers use the host's network, docs/adr/0008-host-network.md) nor an engine that is
# already there.
#
#   eval "$(tests/docker/engine.sh start)"   start one if none answers; sets DOCKER_HOST
#   tests/docker/engine.sh status            say which engine answers
#   tests/docker/engine.sh stop              end the engine that `start` started and remove all that it left
#   tests/docker/engine.sh stop --keep       the same, but keep its images and volumes for the next `start`
#
# CAMI_ENGINE_DIR: where images and volumes are kept (default: build/docker-engine of this checkout).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
store=$(realpath --canonicalize-missing "${CAMI_ENGINE_DIR:-$root/build/docker-engine}")
# Unix sockets have names of at most 107 bytes, so the sockets stand in a short place, one per store.
mark=$(printf '%s' "$store" | sha256sum | cut -c1-8)
run=/run/cami-engine-$mark
socket=$run/docker.sock
pidfile=$run/docker.pid
log=$run/dockerd.log
cgroup=cami-engine-$mark
# What dockerd and containerd make outside of their folders; removed by `stop` unless it was there before.
strays=(/etc/docker /opt/containerd /run/containerd /run/docker /var/lib/docker-engine)

say() { printf 'engine: %s\n' "$*" >&2; }

fail() {
    printf 'engine: %s\n' "$1" >&2
    printf '        %s\n' "$2" >&2
    exit 1
}

# Does an engine answer at this address? Asked without the docker client, which may be missing.
answers() {
    case $1 in
        unix://*) python3 - "${1#unix://}" <<'PY'
import http.client, socket, sys
connection = http.client.HTTPConnection("localhost", timeout=5)
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.settimeout(5)
try:
    connection.sock.connect(sys.argv[1])
    connection.request("GET", "/_ping")
    sys.exit(0 if connection.getresponse().status == 200 else 1)
except OSError:
    sys.exit(1)
PY
            ;;
        *) command -v docker >/dev/null && DOCKER_HOST=$1 timeout 20 docker version >/dev/null 2>&1 ;;
    esac
}

# Print the address of the engine that answers, ours last.
engine() {
    local address
    for address in ${DOCKER_HOST:+"$DOCKER_HOST"} unix:///var/run/docker.sock "unix://$socket"; do
        if answers "$address"; then
            printf '%s\n' "$address"
            return 0
        fi
    done
    return 1
}

install_engine() {
    command -v dockerd >/dev/null && return 0
    [ "$(id -u)" = 0 ] || fail "no Docker engine answers and none is installed" \
        "install one (apt-get install docker.io), or set DOCKER_HOST to an engine that you may use"
    command -v apt-get >/dev/null || fail "no Docker engine is installed, and this is no Debian" \
        "install a Docker engine and start it"
    say "installing docker.io"
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends docker.io; } \
        </dev/null >&2 || fail "docker.io could not be installed" "see the lines of apt-get above"
    command -v dockerd >/dev/null || fail "docker.io is installed but brought no dockerd" "install a Docker engine by hand"
}

# Start dockerd with the given extra options and wait until it answers; 1 if it ended or never did.
launch() {
    local pid waited=0
    # Its own namespace in containerd, so that a containerd of the host is not confused; cgroupfs works with and
    # without systemd.
    setsid dockerd \
        --host "unix://$socket" --pidfile "$pidfile" --data-root "$store" --exec-root "$run/exec" \
        --containerd-namespace cami --containerd-plugins-namespace cami-plugins \
        --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --userland-proxy=false \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$cgroup" \
        "$@" </dev/null >>"$log" 2>&1 &
    pid=$!
    while [ "$waited" -lt 120 ]; do
        answers "unix://$socket" && return 0
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.5
        waited=$((waited + 1))
    done
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    return 1
}

start() {
    local address stray
    if address=$(engine); then
        say "using the engine at $address"
        printf 'export DOCKER_HOST=%s\n' "$address"
        return 0
    fi
    install_engine
    if address=$(engine); then # the package's own service has started it
        printf 'export DOCKER_HOST=%s\n' "$address"
        return 0
    fi
    [ "$(id -u)" = 0 ] || fail "no Docker engine answers, and only root can start one" \
        "start it (systemctl start docker) and join the group docker, or run this as root"
    mkdir -p "$run" "$store"
    if [ ! -e "$run/strays" ]; then
        for stray in "${strays[@]}"; do
            if [ ! -e "$stray" ]; then printf '%s\n' "$stray" >>"$run/strays"; fi
        done
    fi
    : >"$log"
    if ! launch; then
        say "the engine did not start by itself; trying again with the storage driver vfs"
        printf -- '---- second try: vfs ----\n' >>"$log"
        if ! launch --storage-driver vfs; then
            grep -E 'level=(error|fatal)|^failed to start' "$log" | tail -n 5 >&2 || tail -n 5 "$log" >&2
            stop_engine ""
            fail "dockerd does not start here" \
                "it needs real root (cgroups, mounts, namespaces): run on a machine or in a privileged container"
        fi
    fi
    say "started an engine at unix://$socket"
    printf 'export DOCKER_HOST=unix://%s\n' "$socket"
}

# Processes that belong to our engine and to nobody else: their command line names its folder of sockets.
ours() {
    { grep -alsF -- "$run/" /proc/[0-9]*/cmdline || true; } | cut -d/ -f3
}

# Wait until none of our processes lives, for at most the given number of half seconds.
gone() {
    local left=$1
    while [ "$left" -gt 0 ]; do
        [ -n "$(ours)" ] || return 0
        sleep 0.5
        left=$((left - 1))
    done
    return 1
}

# Containers whose engine was killed: all that lives in our cgroups.
kill_cgroups() {
    local list
    find /sys/fs/cgroup -path "*/$cgroup/*" -name cgroup.procs 2>/dev/null | while read -r list; do
        xargs -r kill -KILL <"$list" 2>/dev/null || true
    done
}

stop_engine() {
    local pid mounted stray
    if [ -e "$pidfile" ]; then
        pid=$(cat "$pidfile")
        if ours | grep -qx "$pid"; then
            kill -TERM "$pid" 2>/dev/null || true
            gone 60 || true
        fi
    fi
    for pid in $(ours); do kill -KILL "$pid" 2>/dev/null || true; done
    kill_cgroups
    gone 20 || fail "processes of the engine do not end: $(ours | tr '\n' ' ')" "end them by hand, then run stop again"
    # The store itself is a mount too: dockerd binds it to itself to make it private.
    awk -v store="$store" -v run="$run/" \
        '$2 == store || index($2, store "/") == 1 || index($2, run) == 1 { print $2 }' /proc/mounts |
        sort -r | while read -r mounted; do umount -l "$mounted" 2>/dev/null || true; done
    if [ -e "$run/strays" ]; then
        while read -r stray; do rm -rf "$stray"; done <"$run/strays"
    fi
    find /sys/fs/cgroup -depth -type d \( -name "$cgroup" -o -path "*/$cgroup/*" \) -exec rmdir {} + 2>/dev/null || true
    rm -rf "$run"
    if [ "$1" != --keep ]; then rm -rf "$store"; fi
}

stop() {
    if [ ! -e "$run" ]; then
        say "no engine of ours is running"
        if [ "$1" != --keep ]; then rm -rf "$store"; fi
        return 0
    fi
    stop_engine "$1"
    say "the engine at unix://$socket has ended"
}

status() {
    local address
    if address=$(engine); then
        say "an engine answers at $address"
    else
        say "no engine answers"
        return 3
    fi
}

case ${1:-} in
    start) start ;;
    stop) stop "${2:-}" ;;
    status) status ;;
    *) fail "unknown command '${1:-}'" "tests/docker/engine.sh start|status|stop [--keep]" ;;
esac
