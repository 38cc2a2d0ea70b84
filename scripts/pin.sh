#!/usr/bin/env bash
# Pins what pyproject.toml asks for, with hashes: requirements/runtime.txt for a service,
# requirements/dev.txt for tests too. Which package index is used is pip's own configuration.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -q pip-tools

pin() { # FILE, options
    local file=$1
    shift
    "$work/venv/bin/pip-compile" -q --generate-hashes --allow-unsafe --strip-extras --no-header \
        --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-options \
        --extra keystone --extra neutron --extra nova --extra postgresql --extra mysql "$@" \
        --output-file "$work/pinned.txt" pyproject.toml
    {
        echo "# Made by \`make requirements\` from pyproject.toml; not edited by hand."
        grep -vE '^(#|$)' "$work/pinned.txt"
    } >"$file"
    rm "$work/pinned.txt"
}

pin requirements/dev.txt --extra dev
grep -oE '^[^ ]+==[^ ]+' requirements/dev.txt >"$work/constraints.txt"
pin requirements/runtime.txt -c "$work/constraints.txt"
