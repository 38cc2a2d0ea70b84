"""What network plugins promise that announce an optional capability, tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from abaca.errors import AllocationLost, InvalidNetwork, NetworkNotFound
from abaca.network.plugin import (
    AddressPool,
    Allocation,
    HasPools,
    IPAddress,
    NeedsWires,
    Rebindable,
    TenantRoutes,
)
from abaca.testing.network_subject import Subject, allocate, claims, release
from abaca.testing.power import PowerCut

MOST_CALLS = 60
MOST_PERCENT = 100
NEAR = 64
_Work = Callable[[Subject, Sequence[Allocation], str], None]


def pools(subject: Subject) -> None:
    """What is said of a flat section's pools is what the ledger has, and what can be had.

    Addresses beside the ranges can be adopted all the same.
    """
    plugin: object = subject.make()
    assert isinstance(plugin, HasPools)
    assert subject.values is not None, "HasPools needs Subject.values"
    assert subject.ledger is not None, "HasPools needs Subject.ledger"
    section = subject.subnet.key
    told = plugin.address_pools(section, subject.values)
    assert plugin.address_pools(section, subject.values) == told
    by_name = {pool.name: pool for pool in told}
    assert len(by_name) == len(told)
    wanted = claims(subject, 2)
    found = {item.claim: item.addresses for item in allocate(subject, wanted)}
    held = subject.ledger.held(wanted)
    # An address of each pool for each interface, and those that it was told.
    assert set(held) == {(claim, name) for claim in wanted for name in by_name}
    for (claim, name), address in held.items():
        assert address in found[claim]
        assert _has(by_name[name], address)
    assert min(map(_room, told)) == subject.capacity
    for pool in told:
        assert pool.rest_seconds >= 0
        assert 0 <= pool.warn_percent <= MOST_PERCENT
    with pytest.raises(InvalidNetwork):
        plugin.address_pools("wrong", subject.wrong_values)
    release(subject, wanted)
    for pool in told:
        beside = _beside(pool)
        if beside is not None:
            (mine,) = claims(subject, 1)
            (adopted,) = subject.make().adopt(subject.subnet, {beside: mine})
            assert beside in adopted.addresses
            release(subject, [mine])
    assert not list(subject.left())


def _beside(pool: AddressPool) -> IPAddress | None:
    """An address of the network that is in no range, and may be in use; None if none is near."""
    if pool.cidr is None:
        return None
    for number in range(min(NEAR, pool.cidr.num_addresses)):
        address = pool.cidr[number]
        if not _ranged(pool, address) and address not in pool.reserved:
            return address
    return None


def _has(pool: AddressPool, address: IPAddress) -> bool:
    inside = pool.cidr is None or address in pool.cidr
    return inside and _ranged(pool, address) and address not in pool.reserved


def _ranged(pool: AddressPool, address: IPAddress) -> bool:
    return any(
        first.version == address.version and int(first) <= int(address) <= int(last)
        for first, last in pool.ranges
    )


def _room(pool: AddressPool) -> int:
    size = sum(int(last) - int(first) + 1 for first, last in pool.ranges)
    return size - sum(_ranged(pool, item) for item in pool.reserved)


def wires(subject: Subject) -> None:
    """Without wires a section works that needs none; another says that it can't, for good."""
    plugin: object = subject.make()
    assert isinstance(plugin, NeedsWires)
    assert subject.values is not None, "NeedsWires needs Subject.values"
    assert subject.without_wires is not None, "NeedsWires needs Subject.without_wires"
    option = plugin.needs_wires(subject.values, subject.mode)
    assert plugin.needs_wires(subject.values, subject.mode) == option
    if option is None:
        wanted = claims(subject, 2)
        found = allocate(subject, wanted, subject.without_wires())
        assert [item.claim for item in found] == wanted
        release(subject, wanted)
        return
    assert option in {item.dest for item in type(subject.make()).options}
    with pytest.raises(InvalidNetwork):
        subject.without_wires().status()


def routes(subject: Subject) -> None:
    """Each route leads to share servers, by somebody else; asking leaves nothing behind."""
    plugin: object = subject.make()
    assert isinstance(plugin, TenantRoutes)
    # Before there is anything to reach.
    with suppress(InvalidNetwork, NetworkNotFound):
        plugin.tenant_routes(subject.subnet)
    assert not list(subject.left())
    wanted = claims(subject, 1)
    (found,) = allocate(subject, wanted)
    before = sorted(subject.left())
    told = plugin.tenant_routes(subject.subnet)
    again: object = subject.make()
    assert isinstance(again, TenantRoutes)
    assert again.tenant_routes(subject.subnet) == told
    assert sorted(subject.left()) == before
    assert len({route.destination for route in told}) == len(told)
    for route in told:
        assert any(address in route.destination for address in found.addresses)
        assert route.next_hop.version == route.destination.version
        assert route.next_hop not in route.destination
    release(subject, wanted)
    with suppress(InvalidNetwork, NetworkNotFound):
        plugin.tenant_routes(subject.subnet)
    assert not list(subject.left())


def rebinding(subject: Subject) -> None:
    """Prepared they are on both hosts; then on the new one, or on the old one as before."""
    other = f"{subject.host}-other"
    wanted = claims(subject, 2)
    found = allocate(subject, wanted)
    assert _places(subject, found) == {subject.host}
    for _ in range(2):
        _rebindable(subject).prepare(found, host=other)
        assert _places(subject, found) == {subject.host, other}
    for _ in range(2):
        _rebindable(subject).abandon(found, host=other)
        assert _places(subject, found) == {subject.host}
    assert allocate(subject, wanted) == found
    _rebindable(subject).prepare(found, host=other)
    for _ in range(2):
        _rebindable(subject).activate(found, host=other)
        assert _places(subject, found) == {other}
    subject.make().check(found)
    assert subject.make().allocate(subject.subnet, wanted, host=other) == found
    assert _places(subject, found) == {other}
    subject.make().release(wanted)
    for lost in (_rebindable(subject).prepare, _rebindable(subject).activate):
        with pytest.raises(AllocationLost):
            lost(found, host=subject.host)
    _rebindable(subject).abandon(found, host=other)
    release(subject, wanted)
    assert not list(subject.left())


def rebinding_cut(subject: Subject) -> None:
    """Cut after any outside call of a move, it is undone, or whole when it is repeated."""
    other = f"{subject.host}-other"
    _cut_anywhere(subject, _prepare, _abandon, other, ends=subject.host)
    _cut_anywhere(subject, _move, _move, other, ends=other)


def _cut_anywhere(subject: Subject, work: _Work, then: _Work, host: str, *, ends: str) -> None:
    for calls in range(1, MOST_CALLS):
        wanted = claims(subject, 2)
        found = allocate(subject, wanted)
        cut = _cut(subject, calls, found, host, work)
        assert cut or calls > 1, "the power never ticked"
        then(subject, found, host)
        assert _places(subject, found) == {ends}
        subject.make().check(found)
        release(subject, wanted)
        assert not list(subject.left())
        if not cut:
            return
    pytest.fail(f"a move of two takes more than {MOST_CALLS} outside calls")


def _rebindable(subject: Subject) -> Rebindable:
    plugin: object = subject.make()
    assert isinstance(plugin, Rebindable)
    return plugin


def _places(subject: Subject, found: Sequence[Allocation]) -> set[str]:
    assert subject.places is not None, "Rebindable needs Subject.places"
    return {host for item in found for host in subject.places(item)}


def _prepare(subject: Subject, found: Sequence[Allocation], host: str) -> None:
    _rebindable(subject).prepare(found, host=host)


def _abandon(subject: Subject, found: Sequence[Allocation], host: str) -> None:
    _rebindable(subject).abandon(found, host=host)


def _move(subject: Subject, found: Sequence[Allocation], host: str) -> None:
    _prepare(subject, found, host)
    _rebindable(subject).activate(found, host=host)


def _cut(subject: Subject, calls: int, found: Sequence[Allocation], host: str, work: _Work) -> bool:
    subject.power.cut_after(calls)
    try:
        work(subject, found, host)
    except PowerCut:
        return True
    finally:
        subject.power.cut_after(None)
    return False
