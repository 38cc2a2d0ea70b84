"""The fake driver keeps the promises of the driver contract, in each mode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from abaca.drivers.fake import FakeDriver
from abaca.modes import DriverMode
from abaca.testing.driver_suite import DriverSubject, DriverSuite
from abaca.testing.helpers import FixedFlat, FixedManaged, address, vxlan


class TestFakeDriver(DriverSuite):
    """Servers in a file."""

    @pytest.fixture(params=list(DriverMode), ids=[mode.value for mode in DriverMode])
    def subject(self, request: pytest.FixtureRequest, tmp_path: Path) -> DriverSubject:
        """A fake world in each mode."""
        mode: DriverMode = request.param
        driver = FakeDriver(mode, state_file=tmp_path / "world.json")

        def helper(number: int) -> FixedFlat | FixedManaged:
            if mode is DriverMode.FLAT:
                return FixedFlat((address(f"10.9.0.{number}/24"),))
            return FixedManaged((vxlan(7000 + number, f"10.{number}.0.9/24"),))

        def with_admins(number: int) -> FixedFlat | FixedManaged:
            admin = FixedFlat((address(f"10.66.0.{10 + number}/24"),))
            return replace(helper(number), admin=admin)

        def left() -> list[str]:
            return [*driver.world.servers, *driver.world.shares]

        return DriverSubject(
            mode=mode, make=lambda: driver, helper=helper, left=left, with_admins=with_admins
        )
