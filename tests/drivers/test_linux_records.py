"""Records of the linux driver that are no longer what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from abaca.drivers.linux.layout import Rule, load, save
from abaca.errors import DriverError


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"network": 7}', b'{"network": "\xff"}'])
def test_a_damaged_record_is_named(tmp_path: Path, content: bytes) -> None:
    """Cut off, of another shape, or no text: an error of the contract that says which file."""
    file = tmp_path / "rule.json"
    assert load(file, Rule) is None
    file.write_bytes(content)
    with pytest.raises(DriverError, match=r"rule\.json is damaged"):
        load(file, Rule)


def test_a_whole_one_is_read(tmp_path: Path) -> None:
    """As it was written."""
    rule = Rule(network="10.0.0.0/8", writes=True)
    save(tmp_path / "rule.json", rule)
    assert load(tmp_path / "rule.json", Rule) == rule
