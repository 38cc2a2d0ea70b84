"""Named steps."""

from __future__ import annotations

import secrets

import pytest

from abaca.steps import names, step


def test_one_name_is_one_function():
    """Two functions can't share a name: the crash tests would try only the first to come."""
    name = f"test.{secrets.token_hex(4)}"

    @step(name)
    def first() -> int:
        return 1

    assert first() == 1
    assert name in names()
    with pytest.raises(ValueError, match="needs another name"):

        @step(name)
        def second() -> int:
            return 2
