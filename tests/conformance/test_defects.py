"""The conformance suite fails where the contract is broken: each kind of case sees its defect."""

from __future__ import annotations

import pytest
from worlds import fake_subject

from abaca.errors import AbacaError
from abaca.modes import DriverMode
from abaca.network.fake import FakePlugin
from abaca.testing.kinds import Kind, kind_of
from abaca.testing.network_suite import NetworkPluginSuite
from support.defects import DEFECTS

CIDRS = ["10.99.0.0/28", "fd00:99::/64"]


def failures(kind: Kind, cls: type[FakePlugin]) -> list[str]:
    """Names of the cases of the kind that the plugin does not pass."""
    suite, failed = NetworkPluginSuite(), []
    for name, found in vars(NetworkPluginSuite).items():
        if kind_of(found) is not kind:
            continue
        subject = fake_subject(DriverMode.MANAGED, CIDRS, capacity=13, net_id="net1", cls=cls)
        try:
            getattr(suite, name)(subject)
        except (AssertionError, AbacaError, pytest.fail.Exception):
            failed.append(name)
    return failed


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name.lower())
def test_a_defect_is_seen(kind: Kind) -> None:
    """By a case of its kind, which the plugin passes without the defect."""
    assert failures(kind, DEFECTS[kind])
    assert failures(kind, FakePlugin) == []
