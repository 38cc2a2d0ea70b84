"""The packet filter of a share server's namespace."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator

import pytest

from abaca.errors import CommandFailed
from abaca.linux import netns
from abaca.linux.command import run
from abaca.linux.firewall import begun_firewall, ensure_firewall

pytestmark = pytest.mark.dataplane

CROWDED = """
import os, resource, sys
from abaca.linux.firewall import ensure_firewall

resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 4096))
kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
ensure_firewall(sys.argv[1], (2049,))
print(max(kept))
"""


@pytest.fixture
def name() -> Iterator[str]:
    """A namespace."""
    chosen = f"qa-filter-{uuid.uuid4().hex[:8]}"
    netns.ensure_namespace(chosen)
    yield chosen
    netns.remove_namespace(chosen)


def rules(name: str) -> str:
    """What is in force there."""
    return run("nsenter", f"--net={netns.path(name)}", "nft", "list", "table", "inet", "abaca")


def test_again_with_other_ports(name: str) -> None:
    """The rules are those of the last call, not of both."""
    ensure_firewall(name, (2049, 111))
    ensure_firewall(name, (2050,))
    assert "tcp dport 2050 accept" in rules(name)
    assert "2049" not in rules(name)


def test_beside_other_work(name: str) -> None:
    """They are in force after the end, in the namespace and nowhere else."""
    with begun_firewall(name, (2049,)) as filtering:
        filtering.end()
        assert "tcp dport 2049 accept" in rules(name)
    other = f"{name}-2"
    netns.ensure_namespace(other)
    try:
        with pytest.raises(CommandFailed, match="No such file"):
            rules(other)
    finally:
        netns.remove_namespace(other)


def test_a_process_with_many_connections(name: str) -> None:
    """With more than 1024 open files the rules are set, and the process lives."""
    assert int(run(sys.executable, "-c", CROWDED, name)) > 1024
    assert "tcp dport 2049 accept" in rules(name)
