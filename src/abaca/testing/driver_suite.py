"""The conformance suite for drivers: what `abaca.drivers.driver` promises, tried.

A driver passes with one small test file::

    class TestMine(DriverSuite):
        @pytest.fixture
        def subject(self) -> DriverSubject:
            return DriverSubject(...)

once for each mode that it supports. Every case gets a subject of its own, with
nothing in it. Each verb is run twice, and everything is removed twice. What a
client sees is not tried here: that takes a client of the driver's protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from ipaddress import ip_network
from uuid import uuid4

import pytest
from oslo_config import cfg

from abaca.drivers.driver import (
    AccessLevel,
    AccessRule,
    Adopts,
    Driver,
    Inspects,
    Inventory,
    Locality,
    Oddity,
    Server,
    ServesAdmins,
    Share,
    Snapshot,
    TellsAccess,
    Transfers,
)
from abaca.errors import DriverError
from abaca.modes import DriverMode
from abaca.network.helper import FlatHelper, ManagedHelper

_NOTHING = Inventory(servers=frozenset(), shares=frozenset(), snapshots=frozenset())
_TOGETHER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSubject:
    """A driver in a small world of its own, and what the suite must be able to do there."""

    mode: DriverMode
    make: Callable[[], Driver]
    """Another instance on the same world: the manager after a restart. Not started yet."""
    helper: Callable[[int], FlatHelper | ManagedHelper]
    """The helper of the server of this number (1 to 4), always with the same addresses."""
    left: Callable[[], Collection[str]]
    """What of the driver's is in the world: processes, namespaces, volumes."""
    with_admins: Callable[[int], FlatHelper | ManagedHelper] | None = None
    """The same helper with the administrators' network; for drivers that are `ServesAdmins`."""


@dataclass
class Bench:
    """A started driver, and shares to try it with."""

    subject: DriverSubject
    driver: Driver

    def server(self, number: int) -> Server | None:
        """The server of project ``projectN``; None where the mode has none."""
        if not self.subject.mode.has_share_servers:
            return None
        return Server(id=f"00000000-0000-4000-8000-{number:012d}", project_id=f"project{number}")

    def ready(self, number: int) -> Server | None:
        """That server, ensured."""
        server = self.server(number)
        if server is not None:
            self.driver.ensure_server(server, self.subject.helper(number))
        return server

    def share(self, number: int = 1, export_id: int = 1) -> Share:
        """A share that was not made yet."""
        return Share(
            id=str(uuid4()),
            project_id=f"project{number}",
            size_gib=1,
            protocol=min(self.driver.protocols),
            export_id=number * 100 + export_id,
            server=self.server(number),
        )

    def made(self, number: int = 1, export_id: int = 1) -> Share:
        """A share that was made, on its server."""
        self.ready(number)
        share = self.share(number, export_id)
        self.driver.ensure_share(share, None)
        return share

    def snapshot(self, share: Share) -> Snapshot:
        """A snapshot that was made."""
        snapshot = Snapshot(id=str(uuid4()), share=share)
        self.driver.ensure_snapshot(snapshot)
        return snapshot


class DriverSuite:
    """Subclass it with a ``subject`` fixture."""

    @pytest.fixture
    def subject(self) -> DriverSubject:
        """The driver to try; every subclass gives its own."""
        raise NotImplementedError

    @pytest.fixture
    def bench(self, subject: DriverSubject) -> Bench:
        """A started driver."""
        driver = subject.make()
        driver.start()
        return Bench(subject, driver)

    def test_says_what_it_is(self, bench: Bench) -> None:
        """Name, modes, protocols, locality and options are of the right kinds."""
        driver = bench.driver
        assert driver.name
        assert bench.subject.mode in driver.modes
        assert driver.modes <= frozenset(DriverMode)
        assert driver.protocols
        assert driver.locality in Locality
        assert all(isinstance(option, cfg.Opt) for option in driver.options)

    def test_begins_with_nothing(self, bench: Bench) -> None:
        """A new backend has an empty inventory, started twice or not."""
        bench.driver.start()
        assert bench.driver.inventory() == _NOTHING

    def test_pools_are_plausible(self, bench: Bench) -> None:
        """There is a pool, and none has more free than it has; names are unique."""
        pools = bench.driver.pools()
        assert pools
        assert all(0 <= pool.free_gib <= pool.total_gib for pool in pools)
        assert len({pool.name for pool in pools}) == len(pools)

    def test_server_twice(self, bench: Bench) -> None:
        """A server ensured twice is one, with the same details; removed twice it is gone."""
        server = bench.server(1)
        if server is None:
            assert bench.driver.check_server(None)
            return
        assert not bench.driver.check_server(server)
        details = bench.driver.ensure_server(server, bench.subject.helper(1))
        assert bench.driver.ensure_server(server, bench.subject.helper(1)) == details
        assert bench.driver.check_server(server)
        assert bench.driver.inventory().servers == {server.id}
        for _ in range(2):
            bench.driver.remove_server(server)
            assert not bench.driver.check_server(server)
        assert bench.driver.inventory() == _NOTHING
        assert not bench.subject.left()

    def test_nothing_is_odd(self, bench: Bench) -> None:
        """Notes and world agree while something is there, and after it has gone."""
        driver: object = bench.driver
        if not isinstance(driver, Inspects):
            return
        share = bench.made()
        snapshot = bench.snapshot(share)
        assert not driver.oddities()
        unknown = Oddity(kind="none", name="none", missing=False, of="none", holds_data=False)
        assert not driver.discard(unknown)
        bench.driver.remove_snapshot(snapshot)
        bench.driver.remove_share(share)
        if share.server is not None:
            bench.driver.remove_server(share.server)
        assert not driver.oddities()

    def test_share_twice(self, bench: Bench) -> None:
        """A share ensured twice has the same locations; removed twice it is gone."""
        bench.ready(1)
        share = bench.share()
        locations = bench.driver.ensure_share(share, None)
        assert locations
        assert all(":/" in location.path for location in locations)
        assert bench.driver.ensure_share(share, None) == locations
        assert bench.driver.inventory().shares == {share.id}
        for _ in range(2):
            bench.driver.remove_share(share)
            assert bench.driver.inventory().shares == frozenset()

    def test_lost_data_is_not_replaced(self, bench: Bench) -> None:
        """A share that was made and isn't there is an error, not an empty share."""
        bench.ready(1)
        share = replace(bench.share(), made=True)
        with pytest.raises(DriverError):
            bench.driver.ensure_share(share, None)
        bench.driver.remove_share(share)

    def test_unknown_is_removed(self, bench: Bench) -> None:
        """Removing what never was succeeds."""
        share = bench.share()
        bench.driver.remove_snapshot(Snapshot(id=str(uuid4()), share=share))
        bench.driver.remove_share(share)
        if share.server is not None:
            bench.driver.remove_server(share.server)
        assert bench.driver.inventory() == _NOTHING

    def test_locations_are_of_the_server(self, bench: Bench) -> None:
        """Exports have the helper's addresses, and two projects' servers have different ones."""
        first, second = bench.made(1), bench.made(2)
        paths = [
            {location.path for location in bench.driver.ensure_share(share, None)}
            for share in (first, second)
        ]
        assert paths[0].isdisjoint(paths[1])
        if first.server is not None:
            for number, found in enumerate(paths, start=1):
                wanted = _addresses(bench.subject, number)
                assert {path.rpartition(":/")[0].strip("[]") for path in found} <= wanted

    def test_rules_twice(self, bench: Bench) -> None:
        """Rules are replaced as a whole, by none as well, as often as one likes."""
        share = bench.made()
        wide = AccessRule(network=ip_network("192.0.2.0/24"), level=AccessLevel.READ_ONLY)
        host = AccessRule(network=ip_network("192.0.2.7/32"), level=AccessLevel.READ_WRITE)
        six = AccessRule(network=ip_network("2001:db8::7/128"), level=AccessLevel.READ_WRITE)
        for rules in ([wide, host], [wide, host], [six], [], []):
            bench.driver.apply_access(share, rules)
            if isinstance(bench.driver, TellsAccess):
                assert bench.driver.access() == {share.id: frozenset(rules)}
        assert bench.driver.inventory().shares == {share.id}

    def test_size_twice(self, bench: Bench) -> None:
        """A share grows, and an empty one shrinks again; each twice."""
        share = bench.made()
        for size in (3, 3, 1, 1):
            bench.driver.resize_share(replace(share, size_gib=size))
        assert bench.driver.inventory().shares == {share.id}

    def test_snapshot_twice(self, bench: Bench) -> None:
        """A snapshot ensured twice is one; its share is reverted twice; it is removed twice."""
        share = bench.made()
        snapshot = bench.snapshot(share)
        bench.driver.ensure_snapshot(snapshot)
        assert bench.driver.inventory().snapshots == {snapshot.id}
        for _ in range(2):
            bench.driver.revert_share(snapshot)
        for _ in range(2):
            bench.driver.remove_snapshot(snapshot)
            assert bench.driver.inventory().snapshots == frozenset()
        assert bench.driver.inventory().shares == {share.id}

    def test_copy_twice(self, bench: Bench) -> None:
        """A share made from a snapshot twice is one, and goes on without either."""
        share = bench.made()
        snapshot = bench.snapshot(share)
        copy = bench.share(export_id=2)
        locations = bench.driver.ensure_share(copy, snapshot)
        assert bench.driver.ensure_share(copy, snapshot) == locations
        bench.driver.remove_snapshot(snapshot)
        bench.driver.remove_share(share)
        assert bench.driver.inventory().shares == {copy.id}
        assert bench.driver.ensure_share(copy, None) == locations

    def test_server_takes_all_with_it(self, bench: Bench) -> None:
        """A removed server leaves no share, snapshot, or anything else; nor do the last share's."""
        share = bench.made()
        snapshot = bench.snapshot(share)
        if share.server is not None:
            bench.driver.remove_server(share.server)
        else:
            bench.driver.remove_snapshot(snapshot)
            bench.driver.remove_share(share)
        assert bench.driver.inventory() == _NOTHING
        if share.server is not None:
            assert not bench.subject.left()
        bench.driver.remove_share(share)
        assert bench.driver.inventory() == _NOTHING

    def test_restart_knows_everything(self, bench: Bench) -> None:
        """Another instance sees what there is, and ensures it without change."""
        share = bench.made()
        snapshot = bench.snapshot(share)
        locations = bench.driver.ensure_share(share, None)
        again = bench.subject.make()
        again.start()
        assert again.inventory() == bench.driver.inventory()
        assert snapshot.id in again.inventory().snapshots
        assert again.check_server(share.server)
        if share.server is not None:
            again.ensure_server(share.server, bench.subject.helper(1))
        assert again.ensure_share(share, None) == locations

    def test_only_driver_errors_leave(self, bench: Bench) -> None:
        """Verbs on a share that does not exist raise DriverError."""
        bench.ready(1)
        share = bench.share()
        snapshot = Snapshot(id=str(uuid4()), share=share)
        with pytest.raises(DriverError):
            bench.driver.resize_share(share)
        with pytest.raises(DriverError):
            bench.driver.apply_access(share, [])
        with pytest.raises(DriverError):
            bench.driver.ensure_snapshot(snapshot)
        with pytest.raises(DriverError):
            bench.driver.revert_share(snapshot)
        assert bench.driver.inventory().shares == frozenset()

    def test_left_and_adopted(self, bench: Bench) -> None:
        """A server that is left runs on, unseen; adopted for another ID it has its addresses."""
        driver, server = bench.driver, bench.ready(1)
        if server is None or not isinstance(driver, Adopts):
            return
        addresses = {str(item) for item in driver.server_addresses(server, {})}
        assert addresses == _addresses(bench.subject, 1)
        for _ in range(2):
            driver.leave_server(server)
        assert driver.inventory() == _NOTHING
        assert bench.subject.left()
        adopted = Server(id=str(uuid4()), project_id=server.project_id, identifier=server.id)
        assert {str(item) for item in driver.server_addresses(adopted, {})} == addresses
        for _ in range(2):
            driver.ensure_server(adopted, bench.subject.helper(1))
        assert driver.check_server(adopted)
        assert driver.inventory().servers == {server.id}
        share = replace(bench.share(1), server=adopted)
        found = {
            item.path.rpartition(":/")[0].strip("[]") for item in driver.ensure_share(share, None)
        }
        assert found <= addresses
        for _ in range(2):
            driver.remove_server(adopted)
        assert driver.inventory() == _NOTHING
        assert not bench.subject.left()
        unknown = Server(id=str(uuid4()), project_id="project1", identifier="nobody")
        driver.leave_server(unknown)
        with pytest.raises(DriverError):
            driver.server_addresses(unknown, {})

    def test_admin_interface_comes_and_goes(self, bench: Bench) -> None:
        """On an admin network a share has locations more, marked so; without it, none of them."""
        driver, subject, server = bench.driver, bench.subject, bench.server(1)
        if server is None or not isinstance(driver, ServesAdmins):
            return
        assert subject.with_admins is not None, "the subject must have `with_admins`"
        helper, share = subject.with_admins(1), bench.made(1)
        assert helper.admin is not None
        admin = {str(item.address) for item in helper.admin.addresses(1)}
        before = driver.ensure_share(share, None)
        for _ in range(2):
            driver.ensure_server(server, helper)
        found = driver.ensure_share(share, None)
        hidden = [item.path for item in found if item.is_admin_only]
        assert {path.rpartition(":/")[0].strip("[]") for path in hidden} == admin
        assert [item for item in found if not item.is_admin_only] == before
        if isinstance(driver, Adopts):
            addresses = {str(item) for item in driver.server_addresses(server, {})}
            assert addresses == _addresses(subject, 1) | admin
        for _ in range(2):
            driver.ensure_server(server, subject.helper(1))
        assert driver.ensure_share(share, None) == before
        for _ in range(2):
            driver.remove_server(server)
        assert not subject.left()

    def test_transferred_twice(self, bench: Bench) -> None:
        """A share without a share server becomes another project's, and is still there."""
        share = bench.made()
        if share.server is not None or not isinstance(bench.driver, Transfers):
            return
        snapshot = bench.snapshot(share)
        given = replace(share, project_id="project2")
        for _ in range(2):
            bench.driver.transfer_share(given)
        assert bench.driver.inventory().shares == {share.id}
        assert bench.driver.ensure_share(given, None)
        bench.driver.remove_snapshot(replace(snapshot, share=given))
        bench.driver.remove_share(given)
        assert bench.driver.inventory() == _NOTHING

    def test_servers_in_parallel(self, bench: Bench) -> None:
        """Shares on different servers are made and removed by several threads at once."""
        numbers = range(1, _TOGETHER + 1)
        with ThreadPoolExecutor(_TOGETHER) as threads:
            shares = list(threads.map(bench.made, numbers))
            assert bench.driver.inventory().shares == {share.id for share in shares}
            list(threads.map(bench.driver.remove_share, shares))
            servers = [share.server for share in shares if share.server is not None]
            list(threads.map(bench.driver.remove_server, servers))
        assert bench.driver.inventory() == _NOTHING


def _addresses(subject: DriverSubject, number: int) -> set[str]:
    helper = subject.helper(number)
    if subject.mode is DriverMode.FLAT:
        return {str(item.address) for item in helper.addresses(1)}  # type: ignore[union-attr]
    interfaces = helper.interfaces(1)  # type: ignore[union-attr]
    return {str(item.address) for interface in interfaces for item in interface.addresses}
