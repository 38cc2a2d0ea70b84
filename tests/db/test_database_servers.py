"""The servers that tests start for themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from abaca.testing.databases import SERVERS


@pytest.mark.parametrize("kind", SERVERS)
def test_servers_made_at_once_do_not_disturb_each_other(kind: str) -> None:
    """A MariaDB server removes temporary tables that it finds in its folder for them."""

    def make() -> bool:
        server = SERVERS[kind]()
        made = (server.home / "data").is_dir()
        server.close()
        return made and not server.home.exists()

    with ThreadPoolExecutor(6) as threads:
        made = [threads.submit(make) for _ in range(12)]
        assert all(server.result() for server in made)
