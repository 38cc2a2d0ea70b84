"""The conformance suite fails where the contract is broken: each kind of case sees its defect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from worlds import MANAGED, fake_subject, flat_values, register, segment, standalone_subject

from abaca.errors import AbacaError
from abaca.modes import DriverMode
from abaca.network.fake import FakePlugin
from abaca.network.standalone import StandalonePlugin
from abaca.testing.kinds import Capability, Column, Kind, column_of
from abaca.testing.ledger_world import LedgerWorld, ledger_world
from abaca.testing.network_suite import NetworkPluginSuite, Subject
from support.defects import CAPABILITY_DEFECTS, DEFECTS

CIDRS = ["10.99.0.0/28", "fd00:99::/64"]


def failures(of: Column, make: Callable[[], Subject]) -> list[str]:
    """Names of the cases of the kind, or capability, that the plugin does not pass."""
    suite, failed = NetworkPluginSuite(), []
    for name, found in vars(NetworkPluginSuite).items():
        if column_of(found) is not of:
            continue
        more = [True] if isinstance(of, Capability) else []
        try:
            getattr(suite, name)(make(), *more)
        except (AssertionError, AbacaError, pytest.fail.Exception):
            failed.append(name)
    return failed


def fake(cls: type[FakePlugin]) -> Subject:
    """A tenant's network of both IP versions."""
    return fake_subject(DriverMode.MANAGED, CIDRS, capacity=13, net_id="net1", cls=cls)


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name.lower())
def test_a_defect_is_seen(kind: Kind) -> None:
    """By a case of its kind, which the plugin passes without the defect."""
    assert failures(kind, lambda: fake(DEFECTS[kind]))
    assert failures(kind, lambda: fake(FakePlugin)) == []


def announcing(world: LedgerWorld, capability: Capability, cls: Any) -> Subject:
    """A section for which the plugin has the capability."""
    if capability is Capability.REBINDING:
        return fake(cls)
    if capability is Capability.POOLS:
        values = flat_values("10.10.0.10-10.10.0.21")
        return standalone_subject(world.database, values, DriverMode.FLAT, capacity=12, cls=cls)
    values = {**MANAGED, "connectivity": "routed"}
    tenant = register(world.database, segment("192.168.5.0/24"), name=cls.__name__)
    return standalone_subject(
        world.database, values, DriverMode.MANAGED, capacity=13, tenant=tenant, cls=cls
    )


@pytest.mark.parametrize("capability", Capability, ids=lambda item: item.name.lower())
def test_a_defect_of_a_capability_is_seen(capability: Capability, tmp_path: Path) -> None:
    """By one of its cases, which the plugin passes without the defect."""
    sound = FakePlugin if capability is Capability.REBINDING else StandalonePlugin
    for cls, fails in ((sound, False), (CAPABILITY_DEFECTS[capability], True)):
        (folder := tmp_path / cls.__name__).mkdir()
        with ledger_world(folder) as world:
            subject = announcing(world, capability, cls)
            assert capability.is_announced(subject.make(), subject.mode)
            assert bool(failures(capability, lambda subject=subject: subject)) is fails
