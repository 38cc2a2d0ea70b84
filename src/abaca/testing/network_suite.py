"""The conformance suite for network plugins: what `abaca.network.plugin` promises, tried.

A plugin passes with one small test file::

    class TestMine(NetworkPluginSuite):
        @pytest.fixture
        def subject(self) -> Subject:
            return Subject(...)

and, if it makes networks, a subclass of `NetworkMakerSuite` instead. Every case
gets a subject of its own, with nothing allocated.
"""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
import tenacity

from abaca.errors import (
    AddressesExhausted,
    AllocationConflict,
    AllocationLost,
    InvalidNetwork,
    NetworkNotFound,
    NetworkUnavailable,
)
from abaca.network.plugin import (
    Allocation,
    Claim,
    IPAddress,
    Label,
    NetworkMaker,
    NetworkPlugin,
    ShowsOrphans,
    SubnetRef,
)
from abaca.testing.power import Power, PowerCut

MOST_CALLS = 60
"""More calls to the outside than any verb needs for two claims."""
OWNERS = 8
PATIENCE_SECONDS = 20
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A plugin in a small world of its own, and what the suite must be able to do there."""

    make: Callable[[], NetworkPlugin]
    """Another instance on the same world: another process, or the same after a restart."""
    subnet: SubnetRef
    capacity: int
    """How many addresses share servers can have there; at least 12."""
    wrong: SubnetRef
    """Names a network that can't be used."""
    power: Power
    """Ticks after each call that the plugin makes to the outside."""
    lose: Callable[[Allocation], None]
    """Delete the thing behind an allocation, behind the plugin's back."""
    vanish: Callable[[], None]
    """Delete the network that ``subnet`` names, if a tenant could."""
    left: Callable[[], Collection[str]]
    """What of the plugin's is in the world: ports, addresses, networks, routers."""
    in_process: Callable[[], NetworkPlugin] | None = None
    """As ``make``, able to travel to another process; None where the world is in memory."""
    host: str = "host1"


def claims(
    subject: Subject, count: int, *, owner: str | None = None, label: Label = Label.USER
) -> list[Claim]:
    """Claims of one share server, a new one if none is named."""
    owner = owner or str(uuid.uuid4())
    return [
        Claim(owner=owner, label=label, subnet=subject.subnet.key, index=index)
        for index in range(count)
    ]


def allocate(
    subject: Subject, wanted: Sequence[Claim], plugin: NetworkPlugin | None = None
) -> list[Allocation]:
    """As the helper does: the network first, then the addresses; again while unavailable."""
    return _allocate(plugin or subject.make(), subject.subnet, wanted, subject.host)


def _allocate(
    plugin: NetworkPlugin, subnet: SubnetRef, wanted: Sequence[Claim], host: str
) -> list[Allocation]:
    def attempt() -> list[Allocation]:
        if isinstance(plugin, NetworkMaker):
            plugin.ensure_network(subnet, host=host)
        return plugin.allocate(subnet, wanted, host=host)

    return _patiently(attempt)


def release(subject: Subject, held: Collection[Claim]) -> None:
    """As the helper does at removal of the last server: the addresses, then the network."""
    plugin = subject.make()
    _patiently(lambda: plugin.release(held))
    if isinstance(plugin, NetworkMaker):
        maker: NetworkMaker = plugin
        _patiently(lambda: maker.remove_network(subject.subnet, host=subject.host))


def _patiently(work: Callable[[], R]) -> R:
    """What has not converged is tried again: two may be in each other's way for a moment."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(NetworkUnavailable),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
        stop=tenacity.stop_after_delay(PATIENCE_SECONDS),
        reraise=True,
    )(work)


def _in_other_process(
    subject: tuple[Callable[[], NetworkPlugin], SubnetRef, str], owners: Sequence[str]
) -> list[str]:
    make, subnet, host = subject
    plugin = make()
    found = []
    for owner in owners:
        claim = Claim(owner=owner, label=Label.USER, subnet=subnet.key, index=0)
        for item in _allocate(plugin, subnet, [claim], host):
            found += [str(address) for address in item.addresses]
    return found


def _outside(found: Allocation) -> IPAddress:
    """An address next to the network of the allocation's first subnet."""
    return found.segment.subnets[0].cidr[-1] + 1


class NetworkPluginSuite:
    """What every plugin promises."""

    @pytest.fixture
    def subject(self) -> Subject:
        """The plugin under test; to be overridden."""
        raise NotImplementedError

    def test_one_address_per_claim_and_subnet(self, subject: Subject) -> None:
        """Each claim gets an address in each subnet, never a reserved one, none twice."""
        wanted = claims(subject, 3)
        found = allocate(subject, wanted)
        assert [item.claim for item in found] == wanted
        seen: set[IPAddress] = set()
        for item in found:
            for address, subnet in zip(item.addresses, item.segment.subnets, strict=True):
                assert address in subnet.cidr
                assert address not in {subnet.gateway, subnet.cidr.network_address}
                assert subnet.cidr.version != 4 or address != subnet.cidr.broadcast_address  # noqa: PLR2004
                assert address not in seen
                seen.add(address)

    def test_description_is_what_allocations_say(self, subject: Subject) -> None:
        """`describe` and every allocation name the same segment."""
        found = allocate(subject, claims(subject, 2))
        described = subject.make().describe(subject.subnet)
        assert {item.segment for item in found} == {described}

    def test_status_is_fine(self, subject: Subject) -> None:
        """A plugin that can allocate says so."""
        assert subject.make().status() is None  # type: ignore[func-returns-value]

    def test_twice_gives_equal(self, subject: Subject) -> None:
        """The same claims get the same allocations, from another instance too."""
        wanted = claims(subject, 2)
        assert allocate(subject, wanted) == allocate(subject, wanted)

    def test_more_indexes_keep_the_first(self, subject: Subject) -> None:
        """Asking for more later leaves what was given."""
        wanted = claims(subject, 3)
        first = allocate(subject, wanted[:1])
        assert allocate(subject, wanted)[:1] == first

    def test_networks_have_no_order_of_claims(self, subject: Subject) -> None:
        """Allocations answer the claims in the order they were asked in."""
        wanted = claims(subject, 3)
        found = allocate(subject, wanted)
        assert allocate(subject, wanted[::-1]) == found[::-1]

    def test_many_owners_in_threads(self, subject: Subject) -> None:
        """Owners that allocate at the same time get different addresses."""
        plugin = subject.make()
        with ThreadPoolExecutor(OWNERS) as threads:
            found = list(
                threads.map(
                    lambda _: allocate(subject, claims(subject, 1), plugin)[0], range(OWNERS)
                )
            )
        for position in range(len(found[0].addresses)):
            assert len({item.addresses[position] for item in found}) == OWNERS

    def test_many_owners_in_processes(self, subject: Subject) -> None:
        """Processes that allocate at the same time get different addresses.

        Where the world is in memory: instances that have nothing else in common.
        """
        per_subnet = len(allocate(subject, claims(subject, 1))[0].addresses)
        world = (subject.in_process or subject.make, subject.subnet, subject.host)
        owners = [str(uuid.uuid4()) for _ in range(OWNERS)]
        work = [(world, owners[::2]), (world, owners[1::2])]
        if subject.in_process is None:
            with ThreadPoolExecutor(2) as threads:
                parts = list(threads.map(lambda item: _in_other_process(*item), work))
        else:
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                parts = pool.starmap(_in_other_process, work, chunksize=1)
        found = [address for part in parts for address in part]
        assert len(found) == len(set(found)) == OWNERS * per_subnet

    def test_labels_are_released_apart(self, subject: Subject) -> None:
        """Releasing a server's user addresses leaves its admin ones."""
        user = claims(subject, 1)
        admin = claims(subject, 1, owner=user[0].owner, label=Label.ADMIN)
        allocate(subject, user)
        kept = allocate(subject, admin)
        subject.make().release(user)
        subject.make().check(kept)
        assert allocate(subject, admin) == kept

    def test_power_cut_while_allocating(self, subject: Subject) -> None:
        """Cut after any outside call, a repeated allocate gives all, and release leaves nothing."""
        for calls in range(1, MOST_CALLS):
            wanted = claims(subject, 2)
            subject.power.cut_after(calls)
            try:
                allocate(subject, wanted)
                cut = False
            except PowerCut:
                cut = True
            subject.power.cut_after(None)
            found = allocate(subject, wanted)
            assert [item.claim for item in found] == wanted
            assert allocate(subject, wanted) == found
            release(subject, wanted)
            assert not list(subject.left())
            if not cut:
                assert calls > 1, "the power never ticked"
                return
        pytest.fail(f"allocate makes more than {MOST_CALLS} outside calls for two claims")

    def test_power_cut_before_release(self, subject: Subject) -> None:
        """What a cut allocate left behind is released by its claims alone."""
        for calls in range(1, MOST_CALLS):
            wanted = claims(subject, 2)
            subject.power.cut_after(calls)
            try:
                allocate(subject, wanted)
                cut = False
            except PowerCut:
                cut = True
            subject.power.cut_after(None)
            release(subject, wanted)
            assert not list(subject.left())
            if not cut:
                return

    def test_power_cut_while_releasing(self, subject: Subject) -> None:
        """Cut after any outside call and repeated, release leaves nothing."""
        for calls in range(1, MOST_CALLS):
            wanted = claims(subject, 2)
            allocate(subject, wanted)
            subject.power.cut_after(calls)
            try:
                release(subject, wanted)
                cut = False
            except PowerCut:
                cut = True
            subject.power.cut_after(None)
            release(subject, wanted)
            assert not list(subject.left())
            if not cut:
                return

    def test_release_of_the_unknown(self, subject: Subject) -> None:
        """Releasing what never was, or is gone already, succeeds."""
        wanted = claims(subject, 2)
        release(subject, wanted)
        allocate(subject, wanted)
        release(subject, wanted)
        release(subject, wanted)
        assert not list(subject.left())

    def test_release_after_the_network_vanished(self, subject: Subject) -> None:
        """A network that its tenant deleted does not keep a server from being removed."""
        wanted = claims(subject, 2)
        allocate(subject, wanted)
        subject.vanish()
        release(subject, wanted)
        assert not list(subject.left())

    def test_full_then_released(self, subject: Subject) -> None:
        """The pool gives all it has, then AddressesExhausted; a released address comes back."""
        held = [claims(subject, 1)[0] for _ in range(subject.capacity)]
        for claim in held:
            allocate(subject, [claim])
        late = claims(subject, 1)
        with pytest.raises(AddressesExhausted):
            allocate(subject, late)
        subject.make().release(late)
        freed = allocate(subject, held[3:4])[0].addresses
        subject.make().release(held[3:4])
        # Of two subnets one may have more room.
        assert set(allocate(subject, late)[0].addresses) & set(freed)

    def test_failed_allocate_is_released(self, subject: Subject) -> None:
        """Too many claims at once fail, and after release all addresses are free again."""
        many = claims(subject, subject.capacity + 1)
        with pytest.raises(AddressesExhausted):
            allocate(subject, many)
        release(subject, many)
        assert not list(subject.left())
        assert len(allocate(subject, many[: subject.capacity])) == subject.capacity

    def test_wrong_network(self, subject: Subject) -> None:
        """A network that can't be used is named as such, and not as full."""
        wrong = replace(subject, subnet=subject.wrong)
        with pytest.raises((InvalidNetwork, NetworkNotFound)):
            allocate(wrong, claims(wrong, 1))
        with pytest.raises((InvalidNetwork, NetworkNotFound)):
            subject.make().describe(subject.wrong)

    def test_adopt_free_addresses(self, subject: Subject) -> None:
        """Addresses in use are taken over as they are, and nobody else gets them."""
        probe = claims(subject, 1)
        address = allocate(subject, probe)[0].addresses[0]
        subject.make().release(probe)
        claim = claims(subject, 1)[0]
        found = subject.make().adopt(subject.subnet, {address: claim})
        assert address in found[0].addresses
        assert subject.make().adopt(subject.subnet, {address: claim}) == found
        assert allocate(subject, [claim]) == found
        others = [allocate(subject, claims(subject, 1))[0] for _ in range(subject.capacity - 1)]
        assert address not in {item for other in others for item in other.addresses}

    def test_adopt_refuses(self, subject: Subject) -> None:
        """Gateway, foreign addresses and those of another network can't be adopted."""
        other = allocate(subject, claims(subject, 1))[0]
        gateway = other.segment.subnets[0].gateway
        assert gateway is not None
        for address in (gateway, other.addresses[0], _outside(other)):
            with pytest.raises(AllocationConflict):
                subject.make().adopt(subject.subnet, {address: claims(subject, 1)[0]})
        subject.make().check([other])

    def test_forget(self, subject: Subject) -> None:
        """A forgotten address is not collected, not given out, and can be adopted again."""
        wanted = claims(subject, 1)
        address = allocate(subject, wanted)[0].addresses[0]
        subject.make().forget(wanted)
        subject.make().forget(wanted)
        assert subject.make().collect([], _later()) == []
        others = [allocate(subject, claims(subject, 1))[0] for _ in range(subject.capacity - 1)]
        assert address not in {item for other in others for item in other.addresses}
        with pytest.raises(AddressesExhausted):
            allocate(subject, claims(subject, 1))
        subject.make().release([others[0].claim])
        claim = claims(subject, 1)[0]
        assert address in subject.make().adopt(subject.subnet, {address: claim})[0].addresses

    def test_collect(self, subject: Subject) -> None:
        """An orphan goes, as was said before; what is young or in ``keep`` stays."""
        kept, orphan = claims(subject, 1), claims(subject, 1)
        found = allocate(subject, kept)
        lost = allocate(subject, orphan)
        plugin: object = subject.make()
        told = [plugin.orphans(kept, _later())] if isinstance(plugin, ShowsOrphans) else []
        assert subject.make().collect(kept, _earlier()) == []
        subject.make().check(lost)
        removed = subject.make().collect(kept, _later())
        assert removed
        assert told in ([], [removed])
        subject.make().check(found)
        with pytest.raises(AllocationLost):
            subject.make().check(lost)
        assert subject.make().collect(kept, _later()) == []

    def test_check_after_loss(self, subject: Subject) -> None:
        """`check` tells the lost from the usable."""
        kept, gone = (allocate(subject, claims(subject, 1)) for _ in range(2))
        subject.make().check([*kept, *gone])
        subject.lose(gone[0])
        with pytest.raises(AllocationLost):
            subject.make().check(gone)
        subject.make().check(kept)

    def test_no_range_is_walked_through(self, subject: Subject) -> None:
        """Allocations end, however large the subnet: walking through a /64 never would."""
        plugin = subject.make()
        for _ in range(3):
            found = allocate(subject, wanted := claims(subject, 2), plugin)
            assert [item.claim for item in found] == list(wanted)
            plugin.release(wanted)


class NetworkMakerSuite(NetworkPluginSuite):
    """And what those promise that make networks or routers."""

    @staticmethod
    def _maker(subject: Subject) -> NetworkMaker:
        plugin = subject.make()
        assert isinstance(plugin, NetworkMaker)
        return plugin

    def test_ensure_network_twice(self, subject: Subject) -> None:
        """The second call changes nothing."""
        self._maker(subject).ensure_network(subject.subnet, host=subject.host)
        first = subject.make().describe(subject.subnet), sorted(subject.left())
        self._maker(subject).ensure_network(subject.subnet, host=subject.host)
        assert (subject.make().describe(subject.subnet), sorted(subject.left())) == first

    def test_remove_network_twice(self, subject: Subject) -> None:
        """Nothing is left after the first, and the second succeeds."""
        self._maker(subject).ensure_network(subject.subnet, host=subject.host)
        for _ in range(2):
            self._maker(subject).remove_network(subject.subnet, host=subject.host)
            assert not list(subject.left())

    def test_networks_of_subnets_differ(self, subject: Subject) -> None:
        """Two share network subnets never share a wire of the plugin's own."""
        other = replace(subject.subnet, key=str(uuid.uuid4()))
        for subnet in (subject.subnet, other):
            self._maker(subject).ensure_network(subnet, host=subject.host)
        wires = {subject.make().describe(subnet).wire for subnet in (subject.subnet, other)}
        assert len(wires) == 2  # noqa: PLR2004


def _later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def _earlier() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)
