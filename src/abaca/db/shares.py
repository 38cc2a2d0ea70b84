"""Shares with their primary instances: made, found, listed, changed, removed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from abaca.db import share_metadata
from abaca.db.database import Tx, dump, load
from abaca.db.paging import fetch, like
from abaca.db.tables import (
    export_locations,
    now,
    share_instances,
    share_type_extra_specs,
    shares,
    snapshots,
)
from abaca.db.tables import share_metadata as metadata_rows
from abaca.model.page import Page, Slice
from abaca.model.share import Share, ShareInstance
from abaca.states import ShareStatus

PRIMARY = 1
_PREFIX = "instance_"
_JOINED = and_(share_instances.c.share_id == shares.c.id, share_instances.c.primary_slot == PRIMARY)
SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "id": shares.c.id,
    "name": func.coalesce(shares.c.name, ""),
    "display_name": func.coalesce(shares.c.name, ""),
    "description": func.coalesce(shares.c.description, ""),
    "display_description": func.coalesce(shares.c.description, ""),
    "size": shares.c.size,
    "status": share_instances.c.status,
    "share_proto": shares.c.share_proto,
    "share_type_id": shares.c.share_type_id,
    "share_type": shares.c.share_type_id,
    "share_network_id": func.coalesce(shares.c.share_network_id, ""),
    "share_network": func.coalesce(shares.c.share_network_id, ""),
    "snapshot_id": func.coalesce(shares.c.snapshot_id, ""),
    "snapshot": func.coalesce(shares.c.snapshot_id, ""),
    "availability_zone": func.coalesce(share_instances.c.availability_zone, ""),
    "availability_zone_id": func.coalesce(share_instances.c.availability_zone, ""),
    "project_id": shares.c.project_id,
    "user_id": func.coalesce(shares.c.user_id, ""),
    "is_public": shares.c.is_public,
    "created_at": shares.c.created_at,
    "updated_at": func.coalesce(shares.c.updated_at, shares.c.created_at),
    "host": func.coalesce(share_instances.c.host, ""),
    "share_server_id": func.coalesce(share_instances.c.share_server_id, ""),
}
_EQUAL: Mapping[str, ColumnElement[Any]] = {
    "name": shares.c.name,
    "description": shares.c.description,
    "status": share_instances.c.status,
    "share_type_id": shares.c.share_type_id,
    "share_network_id": shares.c.share_network_id,
    "share_server_id": share_instances.c.share_server_id,
    "snapshot_id": shares.c.snapshot_id,
    "share_proto": shares.c.share_proto,
    "user_id": shares.c.user_id,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareQuery:
    """Which shares a list is of."""

    project_id: str | None
    """None: every project's."""
    with_public: bool = False
    """And the public ones of others."""
    equal: Mapping[str, str] = field(default_factory=dict)
    """Exact values, by name as in the API."""
    host: str | None = None
    """``host``, ``host@backend`` or ``host@backend#pool``"""
    name_part: str | None = None
    description_part: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    export_location_id: str | None = None
    export_location_path: str | None = None
    hidden_locations: bool = False
    """Export locations that only administrators see count too."""
    is_soft_deleted: bool = False
    """Only those in the recycle bin, or only those that are not."""
    nothing: bool = False
    """No share fits: a filter names something that no share has."""


def get(tx: Tx, share_id: str, *, lock: bool = False) -> Share | None:
    """One share, whoever's it is; ``lock`` keeps its instance as read until the end of ``tx``."""
    statement = _select().where(shares.c.id == share_id)
    if lock:
        statement = statement.with_for_update(of=share_instances)
    row = tx.execute(statement).one_or_none()
    if row is None:
        return None
    return replace(_without_metadata(row), metadata=share_metadata.get(tx, share_id))


def find(tx: Tx, query: ShareQuery, page: Page) -> Slice[Share]:
    """The page of the list; as many statements for a long one as for a short one."""
    found = fetch(
        tx, Share, _where(query), page, key=shares.c.id, columns=SORT_KEYS, make=_without_metadata
    )
    metadata = share_metadata.of_shares(tx, [share.id for share in found.items])
    items = tuple(replace(share, metadata=metadata.get(share.id, {})) for share in found.items)
    return replace(found, items=items)


def add(tx: Tx, share: Share) -> None:
    """Write the rows of a new share, its primary instance and its metadata."""
    tx.execute(insert(shares).values(dump(share, shares)))
    values = dump(share.instance, share_instances)
    values |= {"primary_slot": PRIMARY, "excluded": list(share.instance.excluded)}
    tx.execute(insert(share_instances).values(values))
    share_metadata.put(tx, share.id, share.metadata)


def change(tx: Tx, share_id: str, **values: object) -> None:
    """Set columns of the share."""
    tx.execute(update(shares).where(shares.c.id == share_id).values(updated_at=now(), **values))


def change_instance(tx: Tx, instance_id: str, **values: object) -> None:
    """Set columns of a share instance."""
    where = share_instances.c.id == instance_id
    tx.execute(update(share_instances).where(where).values(updated_at=now(), **values))


def remove(tx: Tx, share_id: str) -> None:
    """Delete the rows of a share, with its instances, metadata, rules and export locations."""
    tx.execute(delete(shares).where(shares.c.id == share_id))


def snapshot_count(tx: Tx, share_id: str) -> int:
    """How many snapshots the share has, in whatever state."""
    rows = select(func.count()).select_from(snapshots).where(snapshots.c.share_id == share_id)
    return int(tx.scalar(rows))


def clones_under_way(tx: Tx, snapshot_id: str, statuses: Collection[str]) -> int:
    """How many shares that are made from the snapshot have one of these statuses."""
    rows = select(func.count()).select_from(shares).join(share_instances, _JOINED)
    rows = rows.where(
        shares.c.snapshot_id == snapshot_id, share_instances.c.status.in_(sorted(statuses))
    )
    return int(tx.scalar(rows))


def due_in_bin(
    tx: Tx, moment: datetime, hosts: Collection[str], limit: int, *, lock: bool = True
) -> list[Share]:
    """Shares whose time in the recycle bin is up, on these backends or on none."""
    at = share_instances.c.host
    gone = [str(ShareStatus.DELETING), str(ShareStatus.ERROR_DELETING)]
    statement = (
        _select()
        .where(
            shares.c.is_soft_deleted.is_(True),
            shares.c.scheduled_to_be_deleted_at <= moment,
            or_(at.in_(sorted(hosts)), at.is_(None)),
            share_instances.c.status.not_in(gone),
        )
        .order_by(shares.c.scheduled_to_be_deleted_at)
        .limit(limit)
    )
    if lock:
        statement = statement.with_for_update(of=share_instances)
    return [_without_metadata(row) for row in tx.execute(statement)]


def _select() -> Select[Any]:
    instance = [column.label(_PREFIX + column.name) for column in share_instances.c]
    return select(*shares.c, *instance).select_from(shares).join(share_instances, _JOINED)


def _without_metadata(row: Row[Any]) -> Share:
    return load(Share, row, instance=load(ShareInstance, row, prefix=_PREFIX))


def _where(query: ShareQuery) -> Select[Any]:
    """The list's statement, without order."""
    statement = _select()
    if query.nothing:
        return statement.where(shares.c.id.is_(None))
    statement = statement.where(shares.c.is_soft_deleted.is_(query.is_soft_deleted))
    if query.project_id is not None:
        own = shares.c.project_id == query.project_id
        statement = statement.where(or_(own, shares.c.is_public) if query.with_public else own)
    for name, value in query.equal.items():
        statement = statement.where(_EQUAL[name] == value)
    if query.host is not None:
        statement = statement.where(_at_host(query.host))
    if query.name_part is not None:
        statement = statement.where(like(shares.c.name, query.name_part))
    if query.description_part is not None:
        statement = statement.where(like(shares.c.description, query.description_part))
    return statement.where(*_beside(query))


def _beside(query: ShareQuery) -> list[ColumnElement[bool]]:
    """Conditions on what stands beside a share: metadata, type, export locations."""
    conditions: list[ColumnElement[bool]] = [
        exists().where(
            metadata_rows.c.share_id == shares.c.id,
            metadata_rows.c.key == key,
            metadata_rows.c.value == value,
        )
        for key, value in query.metadata.items()
    ]
    specs = share_type_extra_specs.c
    conditions += [
        exists().where(
            specs.share_type_id == shares.c.share_type_id, specs.key == key, specs.value == value
        )
        for key, value in query.extra_specs.items()
    ]
    location = export_locations.c
    for column, wanted in (
        (location.id, query.export_location_id),
        (location.path, query.export_location_path),
    ):
        if wanted is not None:
            here = location.share_instance_id == share_instances.c.id
            seen = here if query.hidden_locations else and_(here, ~location.is_admin_only)
            conditions.append(exists().where(seen, column == wanted))
    return conditions


def _at_host(text: str) -> ColumnElement[bool]:
    """The instance is on this host, backend or pool."""
    host, _, pool = text.partition("#")
    at = share_instances.c.host
    if pool:
        return and_(at == host, share_instances.c.pool == pool)
    if "@" in host:
        return at == host
    return at.startswith(f"{host}@", autoescape=True)
