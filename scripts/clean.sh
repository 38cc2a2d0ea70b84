#!/usr/bin/env bash
# Removes what aborted test and demo runs left on this machine, then caches.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -x .venv/bin/python ]; then
    .venv/bin/python -m abaca.testing.clean
fi
rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
