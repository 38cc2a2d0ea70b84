"""The conformance suite for network plugins: what `abaca.network.plugin` promises, tried.

A plugin passes with one small test file::

    class TestMine(NetworkPluginSuite):
        @pytest.fixture
        def subject(self) -> Subject:
            return Subject(...)

and, if it makes networks, a subclass of `NetworkMakerSuite` instead. Every case
gets a subject of its own, with nothing allocated. `abaca.testing.ledger_world`
makes the subject of a plugin that keeps its addresses in the ledger.

Each case is of one of the `abaca.testing.kinds`, or of an optional capability that
the plugin may announce; the pytest plugin `abaca.testing.conformance` tells which
of them a plugin has passed.
"""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import ClassVar, cast

import pytest

from abaca.errors import (
    AddressesExhausted,
    AllocationConflict,
    AllocationLost,
    InvalidNetwork,
    NetworkNotFound,
)
from abaca.network.plugin import (
    Allocation,
    Claim,
    IPAddress,
    Label,
    NetworkMaker,
    NetworkPlugin,
    PluginHost,
    ShowsOrphans,
    SubnetRef,
)
from abaca.testing import network_optional
from abaca.testing.kinds import NOT_ANNOUNCED, Capability, Kind, case, column_of
from abaca.testing.libraries import instance, libraries
from abaca.testing.network_outage import Scene, foreign, outages
from abaca.testing.network_subject import (
    REMOTE_FAULTS,
    Subject,
    allocate,
    allocate_on,
    claims,
    in_other_process,
    release,
)
from abaca.testing.power import PowerCut

__all__ = ["NetworkMakerSuite", "NetworkPluginSuite", "Subject", "allocate", "claims", "release"]

MOST_CALLS = 60
"""More calls to the outside than any verb needs for two claims."""
OWNERS = 8
_Work = Callable[[Subject, Sequence[Claim]], object]
HALF_OF_IPV6 = 64


def _describe(plugin: NetworkPlugin, subnet: SubnetRef) -> None:
    plugin.describe(subnet)


def _outside(found: Allocation) -> IPAddress:
    """An address next to the network of the allocation's first subnet."""
    return found.segment.subnets[0].cidr[-1] + 1


def _interrupted(subject: Subject, calls: int, wanted: Sequence[Claim], work: _Work) -> bool:
    """Do it, and cut the power after so many calls to the outside; True if there were as many."""
    subject.power.cut_after(calls)
    try:
        work(subject, wanted)
    except PowerCut:
        return True
    finally:
        subject.power.cut_after(None)
    return False


class NetworkPluginSuite:
    """What every plugin promises."""

    title: ClassVar[str] = ""
    """The plugin's name in the report, with the way it is used; the class's name if empty."""

    @pytest.fixture
    def subject(self) -> Subject:
        """The plugin under test; to be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def small(self, subject: Subject) -> Subject:
        """The same with few addresses, for the cases that take them all; to save time."""
        return subject

    @pytest.fixture
    def wide(self, subject: Subject) -> Subject:
        """The same on a network with a /64; to be overridden where ``subject`` has none."""
        return subject

    @pytest.fixture
    def announced(self, request: pytest.FixtureRequest, subject: Subject) -> bool:
        """True if the plugin has the capability that the case is of; if not, the report says so."""
        of = column_of(request.function)
        assert isinstance(of, Capability)
        found = of.is_announced(subject.make(), subject.mode)
        if not found:
            request.node.user_properties.append((NOT_ANNOUNCED, True))
        return found

    @case(Kind.ADDRESSES)
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

    @case(Kind.ADDRESSES)
    def test_description_is_what_allocations_say(self, subject: Subject) -> None:
        """`describe` and every allocation name the same segment."""
        found = allocate(subject, claims(subject, 2))
        described = subject.make().describe(subject.subnet)
        assert {item.segment for item in found} == {described}

    @case(Kind.OUTAGE)
    def test_status_is_fine(self, subject: Subject) -> None:
        """A plugin that can allocate says so."""
        assert subject.make().status() is None  # type: ignore[func-returns-value]

    @case(Kind.REPEATED)
    def test_twice_gives_equal(self, subject: Subject) -> None:
        """The same claims get the same allocations, from another instance too."""
        wanted = claims(subject, 2)
        assert allocate(subject, wanted) == allocate(subject, wanted)

    @case(Kind.MORE)
    def test_more_indexes_keep_the_first(self, subject: Subject) -> None:
        """Asking for more later leaves what was given."""
        wanted = claims(subject, 3)
        first = allocate(subject, wanted[:1])
        assert allocate(subject, wanted)[:1] == first

    @case(Kind.REPEATED)
    def test_answers_have_the_order_of_the_claims(self, subject: Subject) -> None:
        """Allocations answer the claims in the order they were asked in."""
        wanted = claims(subject, 3)
        found = allocate(subject, wanted)
        assert allocate(subject, wanted[::-1]) == found[::-1]

    @case(Kind.TOGETHER)
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

    @case(Kind.TOGETHER)
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
                parts = list(threads.map(lambda item: in_other_process(*item), work))
        else:
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                parts = pool.starmap(in_other_process, work, chunksize=1)
        found = [address for part in parts for address in part]
        assert len(found) == len(set(found)) == OWNERS * per_subnet

    @case(Kind.LABELS)
    def test_labels_are_released_apart(self, subject: Subject) -> None:
        """Releasing a server's user addresses leaves its admin ones."""
        user = claims(subject, 1)
        admin = claims(subject, 1, owner=user[0].owner, label=Label.ADMIN)
        allocate(subject, user)
        kept = allocate(subject, admin)
        subject.make().release(user)
        subject.make().check(kept)
        assert allocate(subject, admin) == kept

    @case(Kind.CRASH)
    def test_power_cut_and_done_again(self, subject: Subject) -> None:
        """Cut after any outside call, a repeated allocate gives all; a repeated release takes all.

        Of one server's addresses the cuts are tried in both, one call later each time.
        """
        allocating = releasing = True
        for calls in range(1, MOST_CALLS):
            wanted = claims(subject, 2)
            if allocating:
                allocating = _interrupted(subject, calls, wanted, allocate)
                assert allocating or calls > 1, "the power never ticked"
            found = allocate(subject, wanted)
            assert [item.claim for item in found] == wanted
            assert allocate(subject, wanted) == found
            if releasing:
                releasing = _interrupted(subject, calls, wanted, release)
            release(subject, wanted)
            assert not list(subject.left())
            if not allocating and not releasing:
                return
        pytest.fail(f"two claims take more than {MOST_CALLS} outside calls")

    @case(Kind.CRASH)
    def test_power_cut_before_release(self, subject: Subject) -> None:
        """What a cut allocate left behind is released by its claims alone."""
        for calls in range(1, MOST_CALLS):
            wanted = claims(subject, 2)
            cut = _interrupted(subject, calls, wanted, allocate)
            release(subject, wanted)
            assert not list(subject.left())
            if not cut:
                assert calls > 1, "the power never ticked"
                return
        pytest.fail(f"two claims take more than {MOST_CALLS} outside calls")

    @case(Kind.RELEASE)
    def test_release_of_the_unknown(self, subject: Subject) -> None:
        """Releasing what never was, or is gone already, succeeds."""
        wanted = claims(subject, 2)
        release(subject, wanted)
        allocate(subject, wanted)
        release(subject, wanted)
        release(subject, wanted)
        assert not list(subject.left())

    @case(Kind.RELEASE)
    def test_release_after_the_network_vanished(self, subject: Subject) -> None:
        """A network that its tenant deleted does not keep a server from being removed."""
        wanted = claims(subject, 2)
        allocate(subject, wanted)
        subject.vanish()
        release(subject, wanted)
        assert not list(subject.left())

    @case(Kind.FULL)
    def test_full_then_released(self, small: Subject) -> None:
        """The pool gives all it has, then AddressesExhausted; a released address comes back."""
        held = claims(small, small.capacity - 1)
        found = allocate(small, held)
        allocate(small, claims(small, 1))
        late = claims(small, 1)
        with pytest.raises(AddressesExhausted):
            allocate(small, late)
        small.make().release([*late, held[2]])
        # Of two subnets one may have more room.
        assert set(allocate(small, late)[0].addresses) & set(found[2].addresses)

    @case(Kind.FULL)
    def test_failed_allocate_is_released(self, small: Subject) -> None:
        """Too many claims at once fail, and after release all addresses are free again."""
        many = claims(small, small.capacity + 1)
        with pytest.raises(AddressesExhausted):
            allocate(small, many)
        release(small, many)
        assert not list(small.left())
        assert len(allocate(small, many[: small.capacity])) == small.capacity

    @case(Kind.WRONG)
    def test_wrong_network(self, subject: Subject) -> None:
        """A network that can't be used is named as such, and not as full."""
        wanted = claims(subject, 1)
        with pytest.raises((InvalidNetwork, NetworkNotFound)):
            allocate_on(*subject.wrong(), wanted, subject.host)
        with pytest.raises((InvalidNetwork, NetworkNotFound)):
            _describe(*subject.wrong())

    @case(Kind.WRONG)
    def test_wrong_section(self, subject: Subject) -> None:
        """A section with faults is told by name, one line each, and no instance is made of it."""
        cls, values = type(subject.make()), subject.wrong_values
        lines = cls.faults("wrong", values, subject.mode)
        assert lines
        assert [line for line in lines if not line.startswith("[wrong] ")] == []
        assert cls.faults("wrong", values, subject.mode) == lines
        # Nothing that it is lent is touched.
        unlent = cast(
            "PluginHost",
            SimpleNamespace(name=subject.host, mode=subject.mode),
        )
        with pytest.raises(InvalidNetwork):
            cls.from_config("wrong", values, unlent)

    @case(Kind.OUTAGE)
    def test_the_outside_fails(self, subject: Subject) -> None:
        """Whatever fails there, no verb breaks or pretends; afterwards all goes on as before."""
        assert subject.faults
        if libraries(type(subject.make())):
            assert set(subject.faults) >= REMOTE_FAULTS
        outages(subject)

    @case(Kind.EXCEPTIONS)
    def test_every_foreign_exception_is_mapped(self, subject: Subject) -> None:
        """Whatever a library raises, an error of the contract comes out; no library is left out."""
        placed = {cls.__module__.partition(".")[0] for cls in subject.foreign}
        assert libraries(type(subject.make())) <= placed, "their exceptions are not in `foreign`"
        scene = Scene.on(subject)
        for cls in subject.foreign:
            foreign(scene, instance(cls))
        # To release the first and forget the last may have needed nobody outside.
        subject.make().check(scene.found[1:2])

    @case(Kind.ADOPT)
    def test_adopt_free_addresses(self, small: Subject) -> None:
        """Addresses in use are taken over as they are, and nobody else gets them."""
        probe = claims(small, 1)
        address = allocate(small, probe)[0].addresses[0]
        small.make().release(probe)
        claim = claims(small, 1)[0]
        found = small.make().adopt(small.subnet, {address: claim})
        assert address in found[0].addresses
        assert small.make().adopt(small.subnet, {address: claim}) == found
        assert allocate(small, [claim]) == found
        others = allocate(small, claims(small, small.capacity - 1))
        assert address not in {item for other in others for item in other.addresses}

    @case(Kind.ADOPT)
    def test_adopt_refuses(self, subject: Subject) -> None:
        """Gateway, foreign addresses and those of another network can't be adopted."""
        other = allocate(subject, claims(subject, 1))[0]
        subnet = other.segment.subnets[0]
        reserved = subnet.gateway or subnet.cidr.network_address
        for address in (reserved, other.addresses[0], _outside(other)):
            with pytest.raises(AllocationConflict):
                subject.make().adopt(subject.subnet, {address: claims(subject, 1)[0]})
        subject.make().check([other])

    @case(Kind.FORGET)
    def test_forget(self, small: Subject) -> None:
        """A forgotten address is not collected, not given out, and can be adopted again."""
        wanted = claims(small, 1)
        address = allocate(small, wanted)[0].addresses[0]
        small.make().forget(wanted)
        small.make().forget(wanted)
        assert small.make().collect([], _later()) == []
        others = allocate(small, claims(small, small.capacity - 1))
        assert address not in {item for other in others for item in other.addresses}
        with pytest.raises(AddressesExhausted):
            allocate(small, claims(small, 1))
        small.make().release([others[0].claim])
        claim = claims(small, 1)[0]
        assert address in small.make().adopt(small.subnet, {address: claim})[0].addresses

    @case(Kind.COLLECT)
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

    @case(Kind.LOST)
    def test_check_after_loss(self, subject: Subject) -> None:
        """`check` tells the lost from the usable."""
        kept, gone = (allocate(subject, claims(subject, 1)) for _ in range(2))
        subject.make().check([*kept, *gone])
        subject.lose(gone[0])
        with pytest.raises(AllocationLost):
            subject.make().check(gone)
        subject.make().check(kept)

    @case(Kind.IPV6)
    def test_no_range_is_walked_through(self, wide: Subject) -> None:
        """Allocations on a /64 end, after a few calls: walking through it never would."""
        plugin = wide.make()
        before = wide.power.calls
        for _ in range(3):
            found = allocate(wide, wanted := claims(wide, 2), plugin)
            assert [item.claim for item in found] == list(wanted)
            cidrs = [item.cidr for item in found[0].segment.subnets]
            assert any(item.version == 6 and item.prefixlen <= HALF_OF_IPV6 for item in cidrs)  # noqa: PLR2004
            plugin.release(wanted)
        assert wide.power.calls - before < 3 * MOST_CALLS

    @case(Capability.POOLS)
    def test_pools(self, subject: Subject, announced: bool) -> None:
        """`HasPools`: what is told of them is what the ledger has, and what can be had."""
        if announced:
            network_optional.pools(subject)

    @case(Capability.WIRES)
    def test_wires(self, subject: Subject, announced: bool) -> None:
        """`NeedsWires`: without any it works, or says that it can't, as was said before."""
        if announced:
            network_optional.wires(subject)

    @case(Capability.ROUTES)
    def test_tenant_routes(self, subject: Subject, announced: bool) -> None:
        """`TenantRoutes`: they lead to share servers, and asking leaves nothing behind."""
        if announced:
            network_optional.routes(subject)

    @case(Capability.REBINDING)
    def test_rebinding(self, subject: Subject, announced: bool) -> None:
        """`Rebindable`: on both hosts, then on the new one, or on the old one as before."""
        if announced:
            network_optional.rebinding(subject)

    @case(Capability.REBINDING)
    def test_power_cut_while_rebinding(self, subject: Subject, announced: bool) -> None:
        """`Rebindable`: cut after any outside call, it is undone, or whole when repeated."""
        if announced:
            network_optional.rebinding_cut(subject)


class NetworkMakerSuite(NetworkPluginSuite):
    """And what those promise that make networks or routers."""

    @staticmethod
    def _maker(subject: Subject) -> NetworkMaker:
        plugin = subject.make()
        assert isinstance(plugin, NetworkMaker)
        return plugin

    @case(Kind.REPEATED)
    def test_ensure_network_twice(self, subject: Subject) -> None:
        """The second call changes nothing."""
        self._maker(subject).ensure_network(subject.subnet, host=subject.host)
        first = subject.make().describe(subject.subnet), sorted(subject.left())
        self._maker(subject).ensure_network(subject.subnet, host=subject.host)
        assert (subject.make().describe(subject.subnet), sorted(subject.left())) == first

    @case(Kind.RELEASE)
    def test_remove_network_twice(self, subject: Subject) -> None:
        """Nothing is left after the first, and the second succeeds; the key alone is enough."""
        for subnet in (subject.subnet, SubnetRef(key=subject.subnet.key)):
            self._maker(subject).ensure_network(subject.subnet, host=subject.host)
            for _ in range(2):
                self._maker(subject).remove_network(subnet, host=subject.host)
                assert not list(subject.left())

    @case(Kind.ADDRESSES)
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
