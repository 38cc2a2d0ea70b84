"""Log lines hide secrets."""

from __future__ import annotations

import subprocess
import sys

import structlog

from abaca.logs import HIDDEN, hide_secrets


def test_values_of_secret_keys_are_hidden() -> None:
    """Passwords and tokens are replaced, the fencing token (no secret) and the rest are kept."""
    event = {"event": "e", "password": "a", "X-Auth-Token": "b", "lease_token": 3, "path": "/v2"}
    assert hide_secrets(structlog.get_logger(), "info", event) == {
        "event": "e",
        "password": HIDDEN,
        "X-Auth-Token": HIDDEN,
        "lease_token": 3,
        "path": "/v2",
    }


def test_tracebacks_show_no_variables() -> None:
    """A crash is logged with its traceback, without what variables held."""
    program = (
        "import structlog\n"
        "from abaca import logs\n"
        "logs.configure('INFO', 'text')\n"
        "def crash(password):\n"
        "    raise RuntimeError('boom')\n"
        "try:\n"
        "    crash('hunter' + '2')\n"
        "except RuntimeError as error:\n"
        "    structlog.get_logger().error('crashed', exc_info=error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "RuntimeError: boom" in done.stderr
    assert "hunter2" not in done.stderr
