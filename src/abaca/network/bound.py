"""The real helper, bound to one share server.

What is asked of a plugin is written down before it is asked, and its answer
after. So whatever is left when the process dies between two lines is found
again: repeated, the same claims get the same addresses; at removal, all of them
are released. A row goes when the plugin has nothing more under its claim.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ParamSpec, TypeVar

import tenacity

from abaca.db import allocations
from abaca.db.allocations import AllocationRow
from abaca.db.database import Database, Tx
from abaca.errors import (
    AllocationConflict,
    DatabaseUnavailable,
    InvalidNetwork,
    NetworkError,
    NetworkNotFound,
    NetworkUnavailable,
    RowRefused,
)
from abaca.modes import DriverMode
from abaca.network.helper import (
    HelperAddress,
    HelperInterface,
    HelperSubnet,
    addresses_of,
    interface_of,
    overlap,
    subnets_of,
)
from abaca.network.locks import KeyedLocks
from abaca.network.plugin import (
    Allocation,
    Claim,
    IPAddress,
    Label,
    NetworkMaker,
    NetworkPlugin,
    Route,
    ShowsOrphans,
    SubnetRef,
    TenantRoutes,
)
from abaca.steps import step

P = ParamSpec("P")
R = TypeVar("R")
PATIENCE_SECONDS = 20.0
_GONE = (NetworkNotFound, AllocationConflict)
"""What was forgotten is not there, or is another's by now."""
_owners = KeyedLocks()
_subnets = KeyedLocks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Whose helper it is, and through what it works."""

    plugin: NetworkPlugin
    database: Database
    section: str
    """The network section that the plugin instance was made from."""
    server_id: str
    subnets: tuple[SubnetRef, ...]
    """Flat: the one whose key is the section's name. Managed: the share network's, in a fixed
    order, new ones last: an interface's index counts through them."""
    host: str
    label: Label = Label.USER
    admin: Binding | None = None
    """The same server's on the administrators' network: flat, labelled so."""
    patience: float = PATIENCE_SECONDS
    """How many seconds to go on while the plugin says NetworkUnavailable."""


class BoundNetwork:
    """What the share manager has of a helper: getting, checking and giving back addresses."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._plugin = binding.plugin
        self._database = binding.database
        self._admin = None if binding.admin is None else BoundFlat(binding.admin)
        self._asked: dict[Claim, AllocationRow] = {}

    @property
    def admin(self) -> BoundFlat | None:
        """The helper on the administrators' network, if the backend has one.

        What is released, adopted or forgotten here is so there too.
        """
        return self._admin

    def obtain(self, subnet: SubnetRef, count: int) -> list[Allocation]:
        """``count`` allocations on the subnet, the same ones on every call.

        NetworkUnavailable if the plugin is not done in time: the claims stay, and
        the next call goes on with them. After any other NetworkError nothing of
        this call is left.
        """
        claims = [self._claim(subnet, index) for index in range(count)]
        self._asked |= {c: AllocationRow(section=self._binding.section, claim=c) for c in claims}
        with self._owner_lock(), self._subnet_lock(subnet):
            rows = [self._taken_back(subnet, row) for row in self._rows()]
            known = {row.claim: row.allocation for row in rows if row.allocation}
            if all(claim in known for claim in claims):
                # A router may have to be brought back after a reboot; addresses need nobody.
                self._retrying(self._ensure, subnet)
                return [known[claim] for claim in claims]
            self._write_claims(claims)
            try:
                found = self._retrying(self._attempt, subnet, claims)
            except NetworkUnavailable:
                raise
            except NetworkError:
                self._give_up(subnet, [claim for claim in claims if claim not in known])
                raise
            self._record(found)
            return found

    def check(self) -> None:
        """Return if everything recorded is usable; else as `NetworkPlugin.check`."""
        self._plugin.check([row.allocation for row in self._rows() if row.allocation])

    def tenant_routes(self) -> tuple[Route, ...]:
        """What machines of the tenant must add to reach the server; empty if nothing."""
        plugin = self._plugin
        if not isinstance(plugin, TenantRoutes):
            return ()
        return tuple(
            route for subnet in self._binding.subnets for route in plugin.tenant_routes(subnet)
        )

    def release_all(self) -> None:
        """Nothing is held for this server under this label any more; succeeds on nothing.

        The remote things go first and the rows last, so repeating it after a crash
        finishes it. Networks that the plugin made go with the last server on them.
        What was asked for here goes too, though another process removed its rows before.
        """
        with self._owner_lock():
            known = {row.claim: row for row in self._rows()}
            self._release_rows(list((self._asked | known).values()))
        self._release_former_admin()
        if self._admin is not None:
            self._admin.release_all()

    def release_others(self) -> None:
        """Nothing is held on subnets that the server is no longer on; its driver has left them."""
        present = {item.key for item in self._binding.subnets}
        with self._owner_lock():
            self._release_rows([row for row in self._rows() if row.claim.subnet not in present])
        self._release_former_admin()

    def adopt(self, addresses: Sequence[IPAddress]) -> None:
        """A running server's addresses are held for it, and no others; again is the same.

        InvalidNetwork if it has none on one of its subnets, or one on none of them: then
        nothing was adopted. After another refusal `forget_all` leaves nothing. On the
        administrators' network it need not have one yet.
        """
        theirs = [] if self._admin is None else self._admin.among(addresses)
        rest, plan = [item for item in addresses if item not in theirs], []
        for subnet in self._binding.subnets:
            wanted = self._on_subnet(subnet, rest)
            plan.append((subnet, wanted))
            rest = [item for item in rest if item not in wanted]
        if rest:
            raise InvalidNetwork(f"{', '.join(map(str, rest))}: on none of the server's subnets")
        with self._owner_lock():
            for subnet, wanted in plan:
                with self._subnet_lock(subnet):
                    self._adopt_on(subnet, wanted)
        if self._admin is not None and theirs:
            self._admin.adopt(theirs)

    def forget_all(self) -> None:
        """Nothing is held for it but `former_admin`; its addresses stay out of circulation.

        After a refusal in the middle the server still has them all: whoever obtains them, or
        releases them, has the plugin adopt what it forgot by then.
        """
        with self._owner_lock():
            if claims := [row.claim for row in self._rows()]:
                self._leave(claims)
                self._retrying(self._forget, claims)
        # Only once nothing can be refused any more: a row is what it would be found by.
        if self._admin is not None:
            self._admin.forget_all()
        with self._owner_lock():
            self._discard(claims)

    def outdated(self) -> bool:
        """True if subnets came or went since it was ensured, or addresses were forgotten."""
        held = {r.claim.subnet for r in self._rows() if r.allocation and not r.forgotten}
        if held != {item.key for item in self._binding.subnets} or self.former_admin():
            return True
        return self._admin is not None and self._admin.outdated()

    def former_admin(self) -> dict[str, list[Claim]]:
        """What is held on networks that are not the backend's administrators' any more."""
        if self._binding.label is not Label.USER:
            return {}
        found: dict[str, list[Claim]] = {}
        present = {self._binding.section, self._admin.section if self._admin else None}
        for row in self._rows_of(Label.ADMIN):
            if row.section not in present:
                found.setdefault(row.section, []).append(row.claim)
        return found

    def _release_former_admin(self) -> None:
        """Nobody claims them: their plugin is not at hand, and `collect` frees them if it is."""
        for section, claims in self.former_admin().items():
            self._discard(claims, section)

    def _taken_back(self, subnet: SubnetRef, row: AllocationRow) -> AllocationRow:
        """The row; what the plugin may have forgotten on the subnet is the server's again."""
        if row.allocation is None or not row.forgotten or row.claim.subnet != subnet.key:
            return row
        wanted = dict.fromkeys(row.allocation.addresses, row.claim)
        found = self._retrying(self._adopt, subnet, wanted)
        self._record(found)
        return replace(row, allocation=found[0], forgotten=False)

    def _release_rows(self, rows: Sequence[AllocationRow]) -> None:
        refs = {item.key: item for item in self._binding.subnets}
        for key in dict.fromkeys(row.claim.subnet for row in rows):
            subnet = refs.get(key, SubnetRef(key=key))
            claims = [row.claim for row in rows if row.claim.subnet == key]
            # Of a subnet whose row has gone only the key is known: nothing is found by that.
            hopeless = _GONE if key in refs else (*_GONE, InvalidNetwork)
            with self._subnet_lock(subnet):
                for row in rows:
                    with suppress(*hopeless):
                        self._taken_back(subnet, row)
                self._retrying(self._release, claims)
                self._retrying(self._remove, subnet, claims)
                self._discard(claims)

    def _attempt(self, subnet: SubnetRef, claims: Sequence[Claim]) -> list[Allocation]:
        self._ensure(subnet)
        found = self._allocate(subnet, claims)
        if [item.claim for item in found] != list(claims) or not all(
            item.addresses and len(item.addresses) == len(item.segment.subnets) for item in found
        ):
            raise InvalidNetwork(
                f"[{self._binding.section}] plugin {self._plugin.name} did not answer each claim "
                "with an address per subnet"
            )
        self._check(found)
        self._keep_apart(found)
        return found

    def _keep_apart(self, found: Sequence[Allocation]) -> None:
        """InvalidNetwork if the server would have one network on its tenant's and admins' side."""
        section = self._binding.section
        other = Label.USER if self._binding.label is Label.ADMIN else Label.ADMIN
        there = [
            row.allocation
            for row in self._rows_of(other)
            if row.allocation is not None and row.section != section
        ]
        if (both := overlap(found, there)) is not None:
            raise InvalidNetwork(
                f"[{section}] {both[0]} overlaps {both[1]}, which the server has as its {other} "
                "network: give administrators a network that no tenant uses",
                told="The share network overlaps a network of the storage backend's.",
            )

    def _give_up(self, subnet: SubnetRef, claims: Sequence[Claim]) -> None:
        """Leave nothing of a failed call; what can't be released now, `release_all` will."""
        with suppress(NetworkError):
            self._release(claims)
            self._remove(subnet, claims)
            self._discard(claims)

    def _on_subnet(
        self, subnet: SubnetRef, addresses: Sequence[IPAddress]
    ) -> dict[IPAddress, Claim]:
        """Those of the addresses that are on it, with the interface that each belongs to."""
        segment = self._retrying(self._plugin.describe, subnet)
        wanted = {
            address: self._claim(subnet, index)
            for part in segment.subnets
            for index, address in enumerate(item for item in addresses if item in part.cidr)
        }
        if not wanted:
            cidrs = ", ".join(str(part.cidr) for part in segment.subnets)
            raise InvalidNetwork(f"the server has no address in {cidrs}")
        return wanted

    def _adopt_on(self, subnet: SubnetRef, wanted: Mapping[IPAddress, Claim]) -> None:
        known = {row.claim for row in self._rows() if row.allocation is not None}
        claims = list(dict.fromkeys(wanted.values()))
        if known.issuperset(claims):
            return
        self._write_claims(claims)
        try:
            found = self._retrying(self._adopt, subnet, wanted)
        except NetworkUnavailable:
            raise
        except NetworkError:
            with suppress(NetworkError):
                self._forget(claims)
                self._discard(claims)
            raise
        self._record(found)

    # Each of these may be the last thing that this process does.

    @step("network.claim")
    def _write_claims(self, claims: Sequence[Claim]) -> None:
        self._writing(lambda tx: allocations.claim(tx, self._binding.section, claims))

    @step("network.ensure")
    def _ensure(self, subnet: SubnetRef) -> None:
        if (maker := self._maker()) is not None:
            maker.ensure_network(subnet, host=self._binding.host)

    @step("network.allocate")
    def _allocate(self, subnet: SubnetRef, claims: Sequence[Claim]) -> list[Allocation]:
        return self._plugin.allocate(subnet, claims, host=self._binding.host)

    @step("network.adopt")
    def _adopt(self, subnet: SubnetRef, wanted: Mapping[IPAddress, Claim]) -> list[Allocation]:
        return self._plugin.adopt(subnet, wanted)

    @step("network.leave")
    def _leave(self, claims: Sequence[Claim]) -> None:
        self._writing(lambda tx: allocations.forget(tx, self._binding.section, claims))

    @step("network.forget")
    def _forget(self, claims: Sequence[Claim]) -> None:
        self._plugin.forget(claims)

    @step("network.check")
    def _check(self, found: Sequence[Allocation]) -> None:
        self._plugin.check(found)

    @step("network.record")
    def _record(self, found: Sequence[Allocation]) -> None:
        self._writing(lambda tx: allocations.record(tx, self._binding.section, found))

    @step("network.release")
    def _release(self, claims: Sequence[Claim]) -> None:
        self._plugin.release(claims)

    @step("network.remove")
    def _remove(self, subnet: SubnetRef, claims: Sequence[Claim]) -> None:
        maker, section = self._maker(), self._binding.section
        if maker is None:
            return
        # Marked first, asked then: of two that leave together, the later one sees nobody.
        self._writing(lambda tx: allocations.leave(tx, section, claims))
        with self._database.read() as tx:
            needed = allocations.in_use(tx, section, subnet.key)
        if not needed:
            maker.remove_network(subnet, host=self._binding.host)

    @step("network.discard")
    def _discard(self, claims: Sequence[Claim], section: str | None = None) -> None:
        place = section or self._binding.section
        self._writing(lambda tx: allocations.discard(tx, place, claims))

    def _claim(self, subnet: SubnetRef, index: int) -> Claim:
        binding = self._binding
        return Claim(owner=binding.server_id, label=binding.label, subnet=subnet.key, index=index)

    def _rows(self) -> list[AllocationRow]:
        binding = self._binding
        with self._database.read() as tx:
            return allocations.of_server(tx, binding.server_id, binding.section, binding.label)

    def _rows_of(self, label: Label) -> list[AllocationRow]:
        """The server's under that label, in whatever section."""
        with self._database.read() as tx:
            return allocations.of_server(tx, self._binding.server_id, label=label)

    def _writing(self, work: Callable[[Tx], None]) -> None:
        """Run in a transaction; another one may have made the same row at the same time."""
        for _ in range(3):
            with suppress(RowRefused), self._database.write() as tx:
                work(tx)
                return
        raise DatabaseUnavailable("allocations: others were faster three times")

    def _retrying(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(NetworkUnavailable),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
            stop=tenacity.stop_after_delay(self._binding.patience),
            reraise=True,
        )(function, *args, **kwargs)

    def _maker(self) -> NetworkMaker | None:
        plugin = self._plugin
        return plugin if isinstance(plugin, NetworkMaker) else None

    @contextmanager
    def _owner_lock(self) -> Iterator[None]:
        with _owners.held((self._database.engine.url, self._binding.server_id)):
            yield

    @contextmanager
    def _subnet_lock(self, subnet: SubnetRef) -> Iterator[None]:
        """Making and removing a network don't cross. Without such networks nobody waits."""
        maker = self._maker()
        key = (self._database.engine.url, self._binding.section, subnet.key)
        makes = maker is not None and maker.makes_networks()
        with _subnets.held(key) if makes else nullcontext():
            yield


class BoundFlat(BoundNetwork):
    """`abaca.network.helper.FlatHelper` for one share server."""

    @property
    def subnet(self) -> HelperSubnet:
        """The backend's flat network, in its first IP version."""
        return self.subnets[0]

    @property
    def subnets(self) -> tuple[HelperSubnet, ...]:
        """The flat network as the plugin says; as it was recorded if the plugin is unavailable."""
        try:
            segment = self._retrying(self._plugin.describe, self._flat())
        except NetworkUnavailable:
            recorded = [row.allocation for row in self._rows() if row.allocation]
            if not recorded:
                raise
            segment = recorded[0].segment
        return subnets_of(segment)

    @property
    def section(self) -> str:
        """The network section."""
        return self._binding.section

    def among(self, addresses: Collection[IPAddress]) -> list[IPAddress]:
        """Those that are in one of the subnets."""
        return [item for item in addresses if any(item in part.cidr for part in self.subnets)]

    def addresses(self, count: int = 1) -> tuple[HelperAddress, ...]:
        """``count`` addresses in each of the subnets; the same ones on every call."""
        made = self.obtain(self._flat(), count)
        return tuple(item for found in made for item in addresses_of(found))

    def _flat(self) -> SubnetRef:
        if len(self._binding.subnets) != 1:
            raise InvalidNetwork(f"[{self._binding.section}] is one network in flat_multi_svm")
        return self._binding.subnets[0]


class BoundManaged(BoundNetwork):
    """`abaca.network.helper.ManagedHelper` for one share server."""

    def interfaces(self, count: int = 1) -> tuple[HelperInterface, ...]:
        """``count`` interfaces on each of the server's subnets; the same on every call."""
        if not self._binding.subnets:
            raise NetworkNotFound("the share network has no subnet in this availability zone")
        found = [item for subnet in self._binding.subnets for item in self.obtain(subnet, count)]
        return tuple(interface_of(index, item) for index, item in enumerate(found))


def helper_for(mode: DriverMode, binding: Binding) -> BoundFlat | BoundManaged:
    """The helper that the mode asks for; single_svm has none."""
    if mode is DriverMode.FLAT:
        return BoundFlat(binding)
    if mode is DriverMode.MANAGED:
        return BoundManaged(binding)
    raise ValueError(f"there is no network helper in {mode}")


def flat_subnet(section: str) -> SubnetRef:
    """The one subnet of a backend in flat_multi_svm."""
    return SubnetRef(key=section)


def collect(plugin: NetworkPlugin, database: Database, older_than: datetime) -> list[str]:
    """Have the plugin remove what no row claims; say what was removed."""
    # Rows are written before anything is asked for: read now, they cover all that is older.
    with database.read() as tx:
        keep = allocations.every_claim(tx)
    return plugin.collect(keep, older_than)


def orphans(plugin: ShowsOrphans, database: Database, older_than: datetime) -> list[str]:
    """What `collect` would have removed."""
    with database.read() as tx:
        keep = allocations.every_claim(tx)
    return plugin.orphans(keep, older_than)
