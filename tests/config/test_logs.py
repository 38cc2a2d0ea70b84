"""Log lines hide secrets."""

from __future__ import annotations

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
