"""Which optional powers the drivers have that come with Abaca: their suite tries only those."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from abaca.drivers import driver as contract
from abaca.drivers.driver import (
    Adopts,
    BackendHost,
    Driver,
    HasFabric,
    Inspects,
    KnowsWires,
    Prepared,
    ServesAdmins,
    TellsAccess,
    Transfers,
)
from abaca.drivers.fake import FakeDriver
from abaca.drivers.linux import LinuxDriver
from abaca.modes import DriverMode

COMMON: set[type] = {Adopts, Inspects, ServesAdmins, TellsAccess, Transfers}
POWERS: dict[type, set[type]] = {
    FakeDriver: COMMON,
    LinuxDriver: {*COMMON, HasFabric, KnowsWires, Prepared},
}


def optional() -> set[type]:
    """Every Protocol of the contract but the driver's own."""
    return {
        item
        for item in vars(contract).values()
        if isinstance(item, type)
        and item.__module__ == contract.__name__
        and Protocol in item.__mro__
        and item is not Driver
    }


@pytest.mark.parametrize("kind", POWERS, ids=lambda kind: kind.name)
def test_no_power_is_lost_in_silence(kind: type[Driver], tmp_path: Path) -> None:
    """A driver has those that are listed, and none that the contract brought later."""
    host = BackendHost(
        backend="b", mode=DriverMode.FLAT, host="h", state_path=tmp_path, deployment="0a0b0c0d"
    )
    values = {"storage_path": str(tmp_path), "bridge_mappings": ["flat:br-none"]}
    made = kind.from_config("b", values if kind is LinuxDriver else {}, host)
    assert set().union(*POWERS.values()) == optional()
    assert {item for item in optional() if isinstance(made, item)} == POWERS[kind]
