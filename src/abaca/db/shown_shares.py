"""Shares as answers show them: lists and single ones, with nothing read that is not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
)

from abaca.db import export_locations as location_rows
from abaca.db import share_types as type_rows
from abaca.db.among import among
from abaca.db.as_json import JsonArray, JsonObject
from abaca.db.database import Tx
from abaca.db.paging import fetch, fetch_rows, like
from abaca.db.shares import PRIMARY_JOIN
from abaca.db.tables import (
    export_locations,
    share_instances,
    share_type_extra_specs,
    share_types,
    shares,
)
from abaca.db.tables import share_metadata as metadata_rows
from abaca.model.page import Page, Slice
from abaca.model.shown_share import ShortShare, ShownShare, ToldShare, read_share

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


def find(tx: Tx, query: ShareQuery, page: Page, *, with_locations: bool = True) -> Slice[ToldShare]:
    """The page of the list; as many statements for a long one as for a short one.

    ``with_locations``: also where the shares are mounted from, for who shows it.
    """
    statement, values = _where(_TAGS, query)
    found = fetch_rows(tx, statement, page, key=shares.c.id, columns=SORT_KEYS, values=values)
    items = _told(tx, [row[0] for row in found.items], with_locations=with_locations)
    return Slice(items=items, more=found.more, count=found.count)


def find_short(tx: Tx, query: ShareQuery, page: Page) -> Slice[ShortShare]:
    """The page of the list in short."""
    statement, values = _where(_SHORT, query)
    return fetch(tx, ShortShare, statement, page, key=shares.c.id, columns=SORT_KEYS, values=values)


def get(tx: Tx, share_id: str, *, with_locations: bool = True) -> ToldShare | None:
    """One share, whoever's it is."""
    tags = tx.execute(_ONE, {"share_id": share_id}).scalars().all()
    found = _told(tx, tags, with_locations=with_locations)
    return found[0] if found else None


def _told(tx: Tx, tags: Sequence[str], *, with_locations: bool) -> tuple[ToldShare, ...]:
    """The shares of these tags; only those are read that are not kept."""
    kept: list[ToldShare | None] = tx.kept.of(tags)
    missing = [_id(tag) for tag, share in zip(tags, kept, strict=True) if share is None]
    read = _read(tx, missing) if missing else {}
    # One that has gone since the tags were read, where a transaction sees that, is left out.
    told = [share or read.get(_id(tag)) for tag, share in zip(tags, kept, strict=True)]
    found = [share for share in told if share is not None]
    return tuple(_located(tx, found) if with_locations else found)


def _read(tx: Tx, ids: Sequence[str]) -> dict[str, ToldShare]:
    """By ID; mounted from nowhere. From now on they are kept."""
    rows: Sequence[Any] = tx.execute(_texts(tx.dialect), {"ids": ids}).all()
    types = type_rows.by_id(tx, {row[_TYPE_ID] for row in rows})
    shown = {type_id: _json(share_type) for type_id, share_type in types.items()}
    found = {
        tag: ToldShare(project, f"{text[:-1]},{metadata or '{}'},{shown[type_id]},{_NOWHERE}]")
        for tag, text, metadata, project, type_id in rows
    }
    tx.kept.keep({tag: share for tag, share in found.items() if len(share.text) <= LONGEST})
    return {_id(tag): share for tag, share in found.items()}


def _id(tag: str) -> str:
    """Of its share."""
    return tag.partition(" ")[0]


def _located(tx: Tx, found: Sequence[ToldShare]) -> list[ToldShare]:
    """With where each is mounted from."""
    instances = [read_share(share.text).instance_id for share in found]
    located = location_rows.of_instances(tx, instances)
    end = -len(f"{_NOWHERE}]")
    return [
        share._replace(text=f"{share.text[:end]}{_json(located.get(instance, ()))}]")
        for share, instance in zip(found, instances, strict=True)
    ]


def _json(item: object) -> str:
    return _encoder.encode(item).decode()


def _column(name: str) -> ColumnElement[Any]:
    """The share's, or else that of its primary instance."""
    if name == "instance_id":
        return share_instances.c.id
    return shares.c[name] if name in shares.c else share_instances.c[name]


LONGEST = 4096
"""Characters of what is kept of a share."""
_NOWHERE = "[]"
_encoder = msgspec.json.Encoder()
_BESIDE = ("metadata", "share_type", "export_locations")
"""The last fields of a `ShownShare`."""
_METADATA = (
    select(JsonObject(metadata_rows.c.key, metadata_rows.c.value))
    .where(metadata_rows.c.share_id == shares.c.id)
    .scalar_subquery()
)
_TAG = (
    shares.c.id
    + literal_column("' '", String)
    + cast(shares.c.revision, String)
    + literal_column("' '", String)
    + share_instances.c.id
    + literal_column("' '", String)
    + cast(share_instances.c.revision, String)
    + literal_column("' '", String)
    + cast(share_types.c.revision, String)
)
"""Another one after each change of what a share shows, but for its export locations."""
_TAGS = (
    select(_TAG)
    .select_from(shares)
    .join(share_instances, PRIMARY_JOIN)
    .join(share_types, share_types.c.id == shares.c.share_type_id)
)
_TOLD = _TAGS.add_columns(
    JsonArray(*(_column(name) for name in ShownShare._fields if name not in _BESIDE)),
    _METADATA,
    shares.c.project_id,
    shares.c.share_type_id,
)
_TYPE_ID = 4
"""Where it is in a row: by name takes several times as long."""
_SHORT = _TAGS.with_only_columns(shares.c.id, shares.c.name)
_ONE = _TAGS.where(shares.c.id == bindparam("share_id"))


@cache
def _texts(dialect: str) -> Select[Any]:
    """What is told of some shares."""
    return _TOLD.where(among(shares.c.id, "ids", dialect))


def _where(statement: Select[Any], query: ShareQuery) -> tuple[Select[Any], dict[str, object]]:
    """Those of the statement's shares that the query asks for, and its parameters' values."""
    values: dict[str, object] = {"project": query.project_id, "in_bin": query.is_soft_deleted}
    values |= {f"equal_{name}": value for name, value in query.equal.items()}
    usual = _usual(
        statement,
        frozenset(query.equal),
        of_one=query.project_id is not None,
        public=query.with_public,
    )
    conditions = _narrower(query)
    return (usual.where(*conditions) if conditions else usual), values


@cache
def _usual(
    statement: Select[Any], equal: frozenset[str], *, of_one: bool, public: bool
) -> Select[Any]:
    """What most lists are of: one project, or all; in the recycle bin, or not; exact values."""
    statement = statement.where(shares.c.is_soft_deleted == bindparam("in_bin", type_=Boolean))
    statement = statement.where(
        *(_EQUAL[name] == bindparam(f"equal_{name}") for name in sorted(equal))
    )
    own = shares.c.project_id == bindparam("project", type_=String)
    if not of_one:
        return statement
    return statement.where(or_(own, shares.c.is_public) if public else own)


def _narrower(query: ShareQuery) -> list[ColumnElement[bool]]:
    """What else the query asks for."""
    if query.nothing:
        return [shares.c.id.is_(None)]
    conditions: list[ColumnElement[bool]] = []
    if query.host is not None:
        conditions.append(_at_host(query.host))
    if query.name_part is not None:
        conditions.append(like(shares.c.name, query.name_part))
    if query.description_part is not None:
        conditions.append(like(shares.c.description, query.description_part))
    return conditions + _beside(query)


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
