#!/usr/bin/env bash
# Everything that Abaca, its demo and its tests need on a Debian 12 machine: Debian
# packages, and the pinned Python packages in .venv. Safe to repeat; quick when done.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly venv=.venv
readonly stamp=$venv/.setup-done
readonly python=${PYTHON:-python3}

say() { printf 'setup: %s\n' "$*" >&2; }

fingerprint() {
    cat scripts/setup.sh scripts/packages.txt requirements/*.txt pyproject.toml | sha256sum
}

missing_packages() {
    local package
    while read -r package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            printf '%s\n' "$package"
    done <scripts/packages.txt
}

# Packages must not start their services here: Abaca runs its own instances of these
# programs. dpkg asks policy-rc.d before it starts one; ours lives only while we install.
install_packages() {
    local policy=/usr/sbin/policy-rc.d unit
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
        # shellcheck disable=SC2064
        trap "rm -f $policy" EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -q --no-install-recommends "$@" >&2 || {
        apt-get update -q >&2
        apt-get install -y -q --no-install-recommends "$@" >&2
    }
    # Nor at the next boot.
    [ -d /run/systemd/system ] || return 0
    for unit in mariadb nfs-ganesha postgresql rpcbind; do
        [[ " $* " == *" $unit"[\ -]* ]] && systemctl -q disable "$unit.service" || true
    done
}

main() {
    local missing
    mapfile -t missing < <(missing_packages)
    if [ ${#missing[@]} -gt 0 ]; then
        if [ "$(id -u)" -ne 0 ]; then
            say "these Debian packages are missing; as root: apt-get install ${missing[*]}"
            exit 1
        fi
        say "installing ${missing[*]}"
        install_packages "${missing[@]}"
    fi
    [ "$(cat $stamp 2>/dev/null)" = "$(fingerprint)" ] && return 0

    if [ ! -x $venv/bin/python ]; then
        say "making $venv"
        "$python" -m venv $venv
    fi
    say "installing the pinned Python packages"
    $venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
    $venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
    fingerprint >$stamp
}

exec 9>.setup.lock
flock 9
main
