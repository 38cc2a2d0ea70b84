"""A real Keystone per worker, and an Abaca that believes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.keystone.cloud import Cloud, cloud_of
from support.keystone.server import keystone_server


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Started once."""
    folder = tmp_path_factory.mktemp("cloud")
    with keystone_server(folder) as keystone, cloud_of(keystone, folder) as found:
        yield found
