"""The plugin keeps the contract: every kind of case of Abaca's suite."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from abaca_static_file import StaticFilePlugin

from abaca.modes import DriverMode
from abaca.testing.ledger_world import ledger_world
from abaca.testing.network_suite import NetworkPluginSuite, Subject

NETWORK = """
[[subnets]]
cidr = "10.20.0.0/24"
gateway = "10.20.0.1"
addresses = ["10.20.0.50", "10.20.0.100-10.20.0.110"]
[[subnets]]
cidr = "fd00:20::/64"
gateway = "fd00:20::1"
addresses = ["fd00:20::/64"]
"""


@contextmanager
def instead(file: Path, content: bytes) -> Iterator[None]:
    """Inside, something else is in the file."""
    file.write_bytes(content)
    yield
    file.write_text(NETWORK)


@contextmanager
def without(file: Path) -> Iterator[None]:
    """Inside, the file is not there."""
    file.unlink()
    yield
    file.write_text(NETWORK)


class TestStaticFile(NetworkPluginSuite):
    """Twelve IPv4 addresses, and a /64."""

    title = "static_file"

    @pytest.fixture
    def subject(self, tmp_path: Path) -> Iterator[Subject]:
        """A file, and a database, of its own for each case."""
        file = tmp_path / "network.toml"
        file.write_text(NETWORK)
        with ledger_world(tmp_path) as world:
            yield world.subject(
                StaticFilePlugin,
                {"address_file": str(file)},
                DriverMode.FLAT,
                capacity=12,
                wrong_values={"address_file": "network.toml"},
                faults={
                    "no file": lambda: without(file),
                    "half a file": lambda: instead(file, NETWORK[:60].encode()),
                    "no text": lambda: instead(file, b"\xff\xfe\x00"),
                    "no list": lambda: instead(file, b"subnets = 7"),
                },
            )
