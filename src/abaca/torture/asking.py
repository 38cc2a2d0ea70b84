"""A tenant's requests, as the API makes them: one use case in one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Select, func, select, update

from abaca.context import Context, Version
from abaca.db import share_instances
from abaca.db import shares as share_rows
from abaca.db import snapshots as snapshot_rows
from abaca.db import tables as t
from abaca.db.database import Database, Tx
from abaca.db.tables import new_id
from abaca.model.quota import Resource
from abaca.model.share import Share
from abaca.share import (
    access_rules,
    resize,
    share_network_subnets,
    share_networks,
    share_servers,
    share_transfers,
    shares,
    snapshots,
)
from abaca.share.choices import Defaults
from abaca.share.create import NewShare, create
from abaca.share.share_network_subnets import SubnetSpec
from abaca.share.snapshots import NewSnapshot
from abaca.states import NetworkStatus, ServerStatus

T = TypeVar("T")
VERSION = Version(2, 78)
PLENTY = dict.fromkeys(Resource, -1)


@dataclass(frozen=True)
class Tenant:
    """Asks for things in a project; what it was granted is durable when a call returns."""

    db: Database
    project: str
    admin: bool = False

    def context(self) -> Context:
        """Who asks, with a request ID of its own."""
        return Context(
            user_id=f"user-of-{self.project}",
            project_id=self.project,
            roles=frozenset({"admin" if self.admin else "member"}),
            request_id=f"req-{new_id()}",
            version=VERSION,
            is_admin=self.admin,
        )

    def _ask(self, work: Callable[[Tx], T]) -> T:
        with self.db.write() as tx:
            return work(tx)

    def share(
        self,
        share_type: str,
        *,
        network: str | None = None,
        size: int | None = 1,
        snapshot: str | None = None,
    ) -> str:
        """Ask for a share; its ID."""
        wanted = NewShare(
            share_proto="NFS",
            size=size,
            share_type=share_type,
            share_network_id=network,
            snapshot_id=snapshot,
        )
        defaults = Defaults(limits=PLENTY)
        return self._ask(lambda tx: create(tx, self.context(), wanted, defaults)).id

    def delete(self, share: str) -> None:
        """Have it go."""
        self._ask(lambda tx: shares.delete(tx, self.context(), share))

    def extend(self, share: str, size: int) -> None:
        """Have it grow."""
        self._ask(lambda tx: resize.extend(tx, self.context(), share, size, limits=PLENTY))

    def shrink(self, share: str, size: int) -> None:
        """Have it shrink."""
        self._ask(lambda tx: resize.shrink(tx, self.context(), share, size))

    def allow(self, share: str, to: str, level: str = "rw") -> str:
        """Add an access rule; its ID."""
        return self._ask(
            lambda tx: access_rules.allow(
                tx,
                self.context(),
                share,
                access_type="ip",
                access_to=to,
                access_level=level,
                metadata={},
            )
        ).id

    def deny(self, share: str, rule: str) -> None:
        """Take a rule away."""
        self._ask(lambda tx: access_rules.deny(tx, self.context(), share, rule))

    def deny_address(self, share: str, to: str) -> None:
        """Take the rule for this address away, if there is one."""
        with self.db.read() as tx:
            _, found = access_rules.of_share(tx, self._admin, share)
        for rule in found:
            if rule.access_to == to:
                self.deny(share, rule.id)

    def snapshot(self, share: str) -> str:
        """Take a snapshot; its ID."""
        wanted = NewSnapshot(share_id=share)
        return self._ask(lambda tx: snapshots.create(tx, self.context(), wanted, limits=PLENTY)).id

    def delete_snapshot(self, snapshot: str) -> None:
        """Have it go."""
        self._ask(lambda tx: snapshots.delete(tx, self.context(), snapshot))

    def revert(self, share: str, snapshot: str) -> None:
        """Have the share go back to it."""
        self._ask(lambda tx: snapshots.revert(tx, self.context(), share, snapshot))

    def network(self, name: str | None = None) -> str:
        """A share network, on this network of the project's or on none; its ID."""
        return self._ask(
            lambda tx: share_networks.create(
                tx,
                self.context(),
                name=name,
                description=None,
                subnet=SubnetSpec(neutron_net_id=name, neutron_subnet_id=name),
                limits=PLENTY,
            )
        ).id

    def delete_network(self, network: str) -> None:
        """Have it go."""
        self._ask(lambda tx: share_networks.delete(tx, self.context(), network))

    def add_subnet(self, network: str, name: str) -> str:
        """Add a subnet on that network of the project's; its ID."""
        spec = SubnetSpec(neutron_net_id=name, neutron_subnet_id=name)

        def add(tx: Tx) -> str:
            found = share_networks.managed(tx, self.context(), network)
            return share_network_subnets.add(tx, self.context(), found, spec).id

        return self._ask(add)

    def remove_subnet(self, network: str, subnet: str) -> None:
        """Remove a subnet."""

        def remove(tx: Tx) -> None:
            found = share_networks.managed(tx, self.context(), network)
            share_network_subnets.remove(tx, self.context(), found, subnet)

        self._ask(remove)

    def delete_server(self, server: str) -> None:
        """Have a share server without shares go (administrators)."""
        self._ask(lambda tx: share_servers.delete(tx, self.context(), server))

    def unmanage_server(self, server: str) -> None:
        """Leave a share server as it runs (administrators)."""
        self._ask(lambda tx: share_servers.unmanage(tx, self.context(), server))

    def manage_server(self, host: str, server: str, network: str) -> str:
        """Adopt a running share server (administrators); its ID."""
        foreign = share_servers.Foreign(host=host, identifier=server, share_network_id=network)
        return self._ask(lambda tx: share_servers.manage(tx, self.context(), foreign)).id

    def give(self, share: str, to: Tenant) -> None:
        """The share is the other project's: offered and accepted."""
        ours, theirs = self.context(), to.context()
        transfer, key = self._ask(
            lambda tx: share_transfers.create(tx, ours, share, None, seconds=3600)
        )
        self._ask(
            lambda tx: share_transfers.accept(
                tx, theirs, transfer.id, key, clear_rules=False, limits=PLENTY
            )
        )

    def read(self, share: str) -> Share | None:
        """The share now, whoever's."""
        with self.db.read() as tx:
            return share_rows.get(tx, share)

    def rules(self, share: str) -> dict[str, str]:
        """Its access rules: whom, and at what level."""
        with self.db.read() as tx:
            _, found = access_rules.of_share(tx, self._admin, share)
        return {item.access_to: item.access_level for item in found}

    def shares(self) -> dict[str, str]:
        """The project's shares and their statuses."""
        columns = t.shares.c.id, t.share_instances.c.status
        return self._all(
            select(*columns)
            .join(t.share_instances, t.share_instances.c.share_id == t.shares.c.id)
            .where(t.shares.c.project_id == self.project)
        )

    def size(self, share: str) -> int:
        """Its size in GiB."""
        found = self.read(share)
        return 0 if found is None else found.size

    def snapshots_of(self, share: str) -> list[str]:
        """The snapshots of one share."""
        with self.db.read() as tx:
            return [item.id for item in snapshot_rows.of_share(tx, share)]

    def messages(self, share: str) -> list[str]:
        """What the tenant was told about it."""
        columns = t.messages.c
        return list(
            self._all(select(columns.user_message, columns.id).where(columns.resource_id == share))
        )

    def snapshots(self) -> dict[str, str]:
        """The project's snapshots and their statuses."""
        columns = t.snapshots.c.id, t.snapshot_instances.c.status
        return self._all(
            select(*columns)
            .join(t.snapshot_instances, t.snapshot_instances.c.snapshot_id == t.snapshots.c.id)
            .where(t.snapshots.c.project_id == self.project)
        )

    def share_networks(self) -> dict[str, str]:
        """The project's share networks that are not on their way out."""
        columns = t.share_networks.c
        return self._all(
            select(columns.id, columns.status).where(
                columns.project_id == self.project, columns.status != str(NetworkStatus.DELETING)
            )
        )

    def servers(self) -> dict[str, str]:
        """The project's share servers and their statuses."""
        columns = t.share_servers.c
        return self._all(
            select(columns.id, columns.status).where(columns.project_id == self.project)
        )

    def identifiers(self, host: str) -> dict[str, str]:
        """The project's share servers there, and what their backend calls them."""
        columns = t.share_servers.c
        return self._all(
            select(columns.id, func.coalesce(columns.identifier, columns.id)).where(
                columns.project_id == self.project, columns.host == host
            )
        )

    def keep_servers(self) -> None:
        """The project's share servers stay without shares, as only adopted ones do in earnest.

        So not those in the making: one of these that loses its share would never be made.
        """
        column = t.share_servers.c
        which = column.project_id == self.project, column.status == str(ServerStatus.ACTIVE)
        self._ask(
            lambda tx: tx.execute(
                update(t.share_servers).where(*which).values(is_auto_deletable=False)
            )
        )

    def _all(self, statement: Select[tuple[str, str]]) -> dict[str, str]:
        with self.db.read() as tx:
            found: Sequence[Sequence[str]] = tx.execute(statement).all()
        return {row[0]: row[1] for row in found}

    @property
    def _admin(self) -> Context:
        return replace(self.context(), is_admin=True)

    def exports(self, share: Share) -> list[str]:
        """Where it is mounted from."""
        with self.db.read() as tx:
            return sorted(share_instances.exports(tx, share.instance.id))
