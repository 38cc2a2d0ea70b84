"""Watched drivers and plugins: the same to their callers, and every call is told."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
import structlog
from prometheus_client import CollectorRegistry, Histogram

from abaca.drivers import driver as driver_contract
from abaca.drivers.driver import Adopts, Driver, HasFabric, KnowsWires, Prepared, Transfers
from abaca.drivers.fake import FakeDriver
from abaca.errors import DriverError, LeaseLost
from abaca.modes import DriverMode
from abaca.network import plugin as contract
from abaca.network.fake import FakeCloud, FakePlugin
from abaca.observe.calls import Calls, watched
from abaca.service.observing import DRIVER, PLUGIN

PROTOCOLS = [
    *(Adopts, HasFabric, KnowsWires, Prepared, Transfers),
    *(contract.HasRanges, contract.KnowsIds, contract.LooksAgain, contract.NetworkMaker),
    *(contract.Reachable, contract.Rebindable, contract.ShowsOrphans, contract.TenantRoutes),
]

NO_CALLS_OF_BACKENDS = {
    *(driver_contract.HasFabric, driver_contract.KnowsWires, driver_contract.Prepared),
    driver_contract.ServesAdmins,
    *(contract.AsksNeighbours, contract.HasPools, contract.HasRanges, contract.KnowsIds),
    *(contract.NeedsWires, contract.Reachable),
}
"""Asked about what is configured, or of something that is not watched."""


def test_every_contract_is_watched() -> None:
    """What a driver or plugin may be asked is counted and logged, unless it is named above."""
    optional = {
        item
        for module in (driver_contract, contract)
        for item in vars(module).values()
        if getattr(item, "_is_runtime_protocol", False) and item.__module__ == module.__name__
    }
    assert len(optional) > 10
    watched_ones = {*DRIVER, *PLUGIN}
    assert optional - watched_ones == NO_CALLS_OF_BACKENDS
    assert {driver_contract.Driver, contract.NetworkPlugin} <= watched_ones


def calls() -> tuple[Calls, CollectorRegistry]:
    """Somewhere of a test's own."""
    registry = CollectorRegistry()
    labels = ("backend", "verb", "outcome")
    seconds = Histogram("seconds", "Calls.", labels, registry=registry)
    return Calls(event="driver_call", label="backend", name="b", seconds=seconds), registry


def counted(registry: CollectorRegistry, verb: str, outcome: str) -> float | None:
    """How often."""
    return registry.get_sample_value(
        "seconds_count", {"backend": "b", "verb": verb, "outcome": outcome}
    )


def targets() -> list[object]:
    """A driver and a plugin."""
    cidr = [ip_network("10.99.0.0/24")]
    return [FakeDriver(DriverMode.FLAT), FakePlugin(cidr, DriverMode.FLAT, FakeCloud(), makes=True)]


@pytest.mark.parametrize("target", targets(), ids=lambda item: type(item).__name__)
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda item: item.__name__)
def test_it_can_what_the_target_can(target: object, protocol: type):
    """Optional powers are asked for with isinstance: the answer stays the same."""
    seen = watched(target, (Driver, contract.NetworkPlugin), calls()[0], quiet=())
    assert isinstance(seen, protocol) == isinstance(target, protocol)
    assert seen.name == target.name  # type: ignore[attr-defined]


def test_how_a_call_ended_is_counted():
    """What it returned and raised goes through; the outcome is ok, an error of ours, or neither."""
    driver = FakeDriver(DriverMode.SINGLE)
    where, registry = calls()
    seen = watched(driver, (Driver,), where, quiet=())
    assert seen.pools() == driver.pools()
    for error, outcome in (
        (DriverError("no"), "DriverError"),
        (LeaseLost("gone"), "interrupted"),
        (ZeroDivisionError(), "unexpected"),
    ):
        driver.fail("pools", error)
        with pytest.raises(type(error)):
            seen.pools()
        assert counted(registry, "pools", outcome) == 1
    assert counted(registry, "pools", "ok") == 1


def test_only_verbs_of_the_contract_are_counted():
    """Neither what is quiet, nor what the contract does not name, nor methods of the class."""
    where, registry = calls()
    seen = watched(FakeDriver(DriverMode.SINGLE), (Driver,), where, quiet=("inventory",))
    seen.inventory()
    seen.fail("pools", DriverError("later"))  # its own
    seen.faults("b", {}, DriverMode.SINGLE)
    assert next(iter(registry.collect())).samples == []


def test_calls_on_request_are_logged_at_info():
    """Those that a manager makes by itself, ten a second, are not."""
    seen = watched(FakeDriver(DriverMode.SINGLE), (Driver,), calls()[0], quiet=())
    with structlog.testing.capture_logs() as lines:
        seen.pools()
        with structlog.contextvars.bound_contextvars(request_id="req-1"):
            seen.pools()
    assert [line["log_level"] for line in lines] == ["debug", "info"]
    assert lines[1]["event"] == "driver_call"
    assert lines[1]["verb"] == "pools"
