"""The option ``metrics_listen``: what it may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from abaca.config import load
from abaca.errors import ConfigError
from support.configuration import SINGLE, configuration


def written(folder: Path, value: str) -> Path:
    """A configuration with this value."""
    return configuration(folder, {"one": SINGLE}, DEFAULT={"metrics_listen": value})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", None),
        ("127.0.0.1:8787", ("127.0.0.1", 8787)),
        ("[::1]:0", ("::1", 0)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),  # noqa: S104 - an administrator may
    ],
)
def test_what_it_means(tmp_path: Path, value: str, found: object):
    """An address and a port; nothing means no listener."""
    assert load((written(tmp_path, value),), ()).service.metrics_listen == found


@pytest.mark.parametrize(
    "value", ["8787", "localhost:8787", "127.0.0.1", "127.0.0.1:", ":1:2:x", "1.2.3.4:70000"]
)
def test_what_it_may_not_say(tmp_path: Path, value: str):
    """One fault, which says what to write."""
    with pytest.raises(ConfigError, match=r"metrics_listen: .* write 127.0.0.1:8787"):
        load((written(tmp_path, value),), ())
