"""What the API writes, without the API: rows and tasks for tests of share managers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import TypeVar

from sqlalchemy import insert, select, update

from abaca.db import share_instances, share_networks, shares, snapshots
from abaca.db.database import Database, Tx
from abaca.db.tables import (
    access_rules,
    messages,
    metadata,
    new_id,
    now,
    share_type_extra_specs,
    share_types,
    snapshot_instances,
    tasks,
)
from abaca.drivers.driver import Driver
from abaca.drivers.fake import FakeDriver
from abaca.manager.backend import Backend
from abaca.manager.manager import ShareManager
from abaca.model.message import Message
from abaca.model.share import Share, ShareInstance
from abaca.model.share_network import ShareNetwork, ShareNetworkSubnet
from abaca.model.snapshot import Snapshot, SnapshotInstance
from abaca.model.task import TaskKind
from abaca.modes import DriverMode
from abaca.network.fake import FakeCloud, FakePlugin
from abaca.network.plugin import NetworkPlugin
from abaca.scheduler.place import place
from abaca.scheduler.request import Placement, PlacementRequest
from abaca.states import (
    AccessRulesStatus,
    AccessState,
    NetworkStatus,
    ShareStatus,
    SnapshotStatus,
)
from abaca.work.queue import enqueue

T = TypeVar("T")
StartManager = Callable[..., ShareManager]
PROJECT = "p1"
ZONE = "nova"


def backend(
    name: str,
    mode: DriverMode,
    *,
    driver: Driver | None = None,
    plugin: NetworkPlugin | None = None,
    section: str | None = None,
) -> Backend:
    """A backend with a fake driver, and a fake network of its own in the multi modes."""
    if plugin is None and mode.has_share_servers:
        plugin = FakePlugin([ip_network("10.99.0.0/24")], mode, FakeCloud(), makes=True)
    return Backend(
        name=name,
        host=f"node1@{name}",
        mode=mode,
        driver=driver or FakeDriver(mode),
        plugin=plugin,
        network_section=(section or f"net-{name}") if mode.has_share_servers else None,
        availability_zone=ZONE,
        capabilities={"share_backend_name": name},
    )


@dataclass(frozen=True)
class Api:
    """Asks for things like the API does: a row and a task in one transaction."""

    db: Database

    def share_type(self, mode: str) -> str:
        """A share type of this driver mode."""
        with self.db.write() as tx:
            type_id = new_id()
            tx.execute(
                insert(share_types).values(
                    id=type_id, name=f"type-{type_id}", is_public=True, created_at=now()
                )
            )
            tx.execute(
                insert(share_type_extra_specs).values(
                    share_type_id=type_id, key="driver_mode", value=mode
                )
            )
        return type_id

    def share_network(self, *, project_id: str = PROJECT, net_id: str | None = None) -> str:
        """A share network with one subnet, which may name a network of the tenant's."""
        network_id, stamp = new_id(), now()
        subnet = ShareNetworkSubnet(
            id=new_id(),
            share_network_id=network_id,
            availability_zone=None,
            neutron_net_id=net_id,
            neutron_subnet_id=net_id,
            nova_net_id=None,
            metadata={},
            created_at=stamp,
            updated_at=None,
        )
        network = ShareNetwork(
            id=network_id,
            project_id=project_id,
            user_id=None,
            name=None,
            description=None,
            status=NetworkStatus.ACTIVE,
            is_public=False,
            default_slot=None,
            created_at=stamp,
            updated_at=None,
            subnets=(subnet,),
        )
        with self.db.write() as tx:
            share_networks.add(tx, network)
        return network_id

    def share(
        self,
        type_id: str,
        *,
        network_id: str | None = None,
        project_id: str = PROJECT,
        size: int = 1,
        snapshot_id: str | None = None,
    ) -> str:
        """Ask for a share; its ID."""
        with self.db.write() as tx:
            share = self._new_share(type_id, network_id, project_id, size, snapshot_id)
            placed = self._place(tx, share, type_id, network_id, snapshot_id)
            instance = replace(
                share.instance,
                host=placed.host,
                pool=placed.pool,
                availability_zone=placed.availability_zone,
                share_server_id=placed.share_server_id,
                export_id=placed.export_id,
            )
            share = replace(
                share,
                effective_share_network_id=placed.effective_share_network_id,
                instance=instance,
            )
            shares.add(tx, share)
            self._look(tx, share)
        return share.id

    @staticmethod
    def _new_share(
        type_id: str, network_id: str | None, project_id: str, size: int, snapshot_id: str | None
    ) -> Share:
        share_id, stamp = new_id(), now()
        instance = ShareInstance(
            id=new_id(),
            share_id=share_id,
            status=ShareStatus.CREATING,
            access_rules_status=AccessRulesStatus.ACTIVE,
            progress=None,
            host=None,
            pool=None,
            availability_zone=None,
            share_server_id=None,
            export_id=None,
            wanted_size=size,
            revert_to=None,
            made=False,
            excluded=(),
            created_at=stamp,
            updated_at=None,
        )
        return Share(
            id=share_id,
            project_id=project_id,
            user_id="u1",
            name=None,
            description=None,
            size=size,
            share_proto="NFS",
            share_type_id=type_id,
            share_network_id=network_id,
            effective_share_network_id=None,
            snapshot_id=snapshot_id,
            is_public=False,
            request={"share_network_id": network_id},
            scheduled_at=None,
            created_at=stamp,
            updated_at=None,
            instance=instance,
        )

    @staticmethod
    def _place(
        tx: Tx, share: Share, type_id: str, network_id: str | None, snapshot_id: str | None
    ) -> Placement:
        specs = share_type_extra_specs.c
        found = tx.execute(select(specs.key, specs.value).where(specs.share_type_id == type_id))
        source = None
        if snapshot_id is not None:
            snapshot = snapshots.get(tx, snapshot_id)
            assert snapshot is not None
            parent = shares.get(tx, snapshot.share_id)
            assert parent is not None
            source = parent.instance.host
        request = PlacementRequest(
            share_id=share.instance.id,
            project_id=share.project_id,
            size_gib=share.size,
            protocol="NFS",
            extra_specs={row.key: row.value for row in found},
            share_network=(
                share_networks.visible(tx, network_id, None) if network_id is not None else None
            ),
            source_host=source,
        )
        placed = place(tx, request)
        assert isinstance(placed, Placement), placed
        return placed

    def change(self, share_id: str, **values: object) -> None:
        """Set columns of the share's instance, and have it looked at."""
        with self.db.write() as tx:
            share = shares.get(tx, share_id)
            assert share is not None
            share_instances.settle(tx, share.instance.id, values)
            self._look(tx, share)

    def delete(self, share_id: str) -> None:
        """Ask for the share's removal."""
        self.change(share_id, status=str(ShareStatus.DELETING))

    def resize(self, share_id: str, size: int) -> None:
        """Extend or shrink it."""
        with self.db.read() as tx:
            share = shares.get(tx, share_id)
        assert share is not None
        status = ShareStatus.EXTENDING if size > share.size else ShareStatus.SHRINKING
        self.change(share_id, status=str(status), wanted_size=size)

    def allow(self, share_id: str, access_to: str, level: str = "rw") -> str:
        """Add an access rule; its ID."""
        rule_id = new_id()
        with self.db.write() as tx:
            tx.execute(
                insert(access_rules).values(
                    id=rule_id,
                    share_id=share_id,
                    access_type="ip",
                    access_to=access_to,
                    access_level=level,
                    state=str(AccessState.QUEUED_TO_APPLY),
                    metadata={},
                    created_at=now(),
                )
            )
        self.change(share_id, access_rules_status=str(AccessRulesStatus.SYNCING))
        return rule_id

    def deny(self, share_id: str, rule_id: str) -> None:
        """Take an access rule away."""
        with self.db.write() as tx:
            tx.execute(
                update(access_rules)
                .where(access_rules.c.id == rule_id)
                .values(state=str(AccessState.QUEUED_TO_DENY))
            )
        self.change(share_id, access_rules_status=str(AccessRulesStatus.SYNCING))

    def snapshot(self, share_id: str) -> str:
        """Take a snapshot; its ID."""
        with self.db.write() as tx:
            share = shares.get(tx, share_id)
            assert share is not None
            snapshot_id, stamp = new_id(), now()
            instance = SnapshotInstance(
                id=new_id(),
                snapshot_id=snapshot_id,
                share_instance_id=share.instance.id,
                status=SnapshotStatus.CREATING,
                progress=None,
                created_at=stamp,
                updated_at=None,
            )
            snapshot = Snapshot(
                id=snapshot_id,
                project_id=share.project_id,
                user_id="u1",
                share_id=share_id,
                name=None,
                description=None,
                size=share.size,
                share_size=share.size,
                share_proto=share.share_proto,
                created_at=stamp,
                updated_at=None,
                instance=instance,
            )
            snapshots.add(tx, snapshot)
            self._look_at_snapshot(tx, share, instance.id)
        return snapshot_id

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Ask for the snapshot's removal."""
        self._move_snapshot(snapshot_id, SnapshotStatus.DELETING, look=True)

    def revert(self, share_id: str, snapshot_id: str) -> None:
        """Have the share go back to the snapshot."""
        self._move_snapshot(snapshot_id, SnapshotStatus.RESTORING, look=False)
        self.change(share_id, status=str(ShareStatus.REVERTING), revert_to=snapshot_id)

    def _move_snapshot(self, snapshot_id: str, status: SnapshotStatus, *, look: bool) -> None:
        with self.db.write() as tx:
            snapshot = snapshots.get(tx, snapshot_id)
            assert snapshot is not None
            share = shares.get(tx, snapshot.share_id)
            assert share is not None
            tx.execute(
                update(snapshot_instances)
                .where(snapshot_instances.c.id == snapshot.instance.id)
                .values(status=str(status))
            )
            if look:
                self._look_at_snapshot(tx, share, snapshot.instance.id)

    @staticmethod
    def _look(tx: Tx, share: Share) -> None:
        enqueue(
            tx,
            TaskKind.SHARE,
            share.instance.id,
            queue=share.instance.host,
            lane=share.instance.lane,
            project_id=share.project_id,
            request_id="req-1",
        )

    @staticmethod
    def _look_at_snapshot(tx: Tx, share: Share, instance_id: str) -> None:
        enqueue(
            tx,
            TaskKind.SNAPSHOT,
            instance_id,
            queue=share.instance.host,
            lane=share.instance.lane,
            project_id=share.project_id,
            request_id="req-1",
        )

    def read(self, share_id: str) -> Share | None:
        """The share now."""
        with self.db.read() as tx:
            return shares.get(tx, share_id)

    def messages(self) -> list[Message]:
        """Every user message, oldest first."""
        with self.db.read() as tx:
            return tx.all(Message, select(messages).order_by(messages.c.created_at))

    def rows(self, table: str) -> list[Mapping[str, object]]:
        """Every row of a table."""
        with self.db.read() as tx:
            found = tx.execute(select(metadata.tables[table]))
            return [dict(row._mapping) for row in found]

    def until(self, condition: Callable[[], T], seconds: float = 60.0) -> T:
        """The first true value of the condition; AssertionError with the tasks if none comes."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not so after {seconds} s; tasks: {self.rows('tasks')}")
            time.sleep(0.005)
        return value

    def until_status(self, share_id: str, status: ShareStatus) -> Share:
        """The share once it has this status."""

        def there() -> Share | None:
            share = self.read(share_id)
            return share if share and share.instance.status is status else None

        found = self.until(there)
        assert found is not None
        return found

    def until_idle(self, seconds: float = 60.0) -> None:
        """Return once no task is left."""

        def idle() -> bool:
            with self.db.read() as tx:
                return tx.execute(select(tasks.c.id).limit(1)).first() is None

        self.until(idle, seconds)
