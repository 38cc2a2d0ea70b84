"""The linux driver keeps the promises of the driver contract, in each mode."""

from __future__ import annotations

import pytest

from abaca.testing.driver_suite import DriverSubject, DriverSuite
from support import hostns
from support.linux_scene import Backend

pytestmark = pytest.mark.dataplane


class TestLinuxDriver(DriverSuite):
    """Real servers, on a host of their own."""

    @pytest.fixture
    def subject(self, backend: Backend) -> DriverSubject:
        """A backend in each mode."""

        def left() -> list[str]:
            host = backend.host
            images = [str(path) for path in host.folder.rglob("*.img")]
            return [*host.servers(), *map(str, hostns.processes(host)), *images]

        return DriverSubject(
            mode=backend.mode,
            make=backend.driver,
            helper=backend.network,
            left=left,
            with_admins=backend.with_admins,
        )
