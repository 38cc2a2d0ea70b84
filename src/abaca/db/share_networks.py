"""Share networks: found among a project's own and the public ones, made, changed, removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Text,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from abaca.db import share_network_subnets as subnet_rows
from abaca.db.database import Tx
from abaca.db.paging import fetch, like
from abaca.db.rows import load
from abaca.db.tables import (
    now,
    segments,
    share_network_subnets,
    share_networks,
    share_servers,
    shares,
)
from abaca.db.tables import share_network_security_services as links
from abaca.model.page import Page, Slice
from abaca.model.share_network import ShareNetwork
from abaca.states import NetworkStatus

SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "id": share_networks.c.id,
    "name": func.coalesce(share_networks.c.name, ""),
    "project_id": share_networks.c.project_id,
    "created_at": share_networks.c.created_at,
    "updated_at": func.coalesce(share_networks.c.updated_at, share_networks.c.created_at),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkQuery:
    """Which share networks a list is of."""

    project_id: str | None
    """None: every project's."""
    with_public: bool = False
    """And the public ones of others."""
    is_public: bool | None = None
    """Only those that are, or are not; None: both."""
    name: str | None = None
    description: str | None = None
    name_part: str | None = None
    description_part: str | None = None
    created_since: datetime | None = None
    created_before: datetime | None = None
    provider: Mapping[str, str | int] = field(default_factory=dict)
    """Of any of its subnets: neutron_net_id, neutron_subnet_id, nova_net_id, network_type,
    segmentation_id, cidr, ip_version."""
    security_service_id: str | None = None
    """Only those that have this one."""


def visible(
    tx: Tx, network_id: str, project_id: str | None, *, lock: bool = False
) -> ShareNetwork | None:
    """The share network, if it is this project's (None: anybody's) or public.

    ``lock`` in a transaction that goes on to put something on it: it stays as it
    is until the end.
    """
    statement = _select().where(share_networks.c.id == network_id)
    if project_id is not None:
        statement = statement.where(_seen_by(project_id))
    row = tx.execute(statement.with_for_update() if lock else statement).one_or_none()
    if row is None:
        return None
    if lock:
        tx.hold(f"share network {network_id}")
    return _with_subnets(tx, [row])[0]


def find(tx: Tx, query: NetworkQuery, page: Page) -> Slice[ShareNetwork]:
    """The page of the list; a few statements however long it is."""
    found = fetch(
        tx,
        ShareNetwork,
        _where(query),
        page,
        key=share_networks.c.id,
        columns=SORT_KEYS,
    )
    subnets = subnet_rows.of_networks(tx, [item.id for item in found.items])
    items = tuple(replace(item, subnets=subnets.get(item.id, ())) for item in found.items)
    return Slice(items=items, more=found.more, count=found.count)


def names(tx: Tx, network_ids: Sequence[str]) -> dict[str, str | None]:
    """The name of each of these, by ID."""
    if not network_ids:
        return {}
    where = share_networks.c.id.in_(sorted(set(network_ids)))
    rows = tx.execute(select(share_networks.c.id, share_networks.c.name).where(where))
    return {row.id: row.name for row in rows}


def add(tx: Tx, network: ShareNetwork) -> None:
    """Write a new share network with its subnets."""
    row = {column.name: getattr(network, column.name) for column in share_networks.c}
    tx.execute(insert(share_networks).values(row))
    for subnet in network.subnets:
        subnet_rows.add(tx, subnet)


def change(tx: Tx, network_id: str, **values: object) -> None:
    """Set columns of the share network."""
    where = share_networks.c.id == network_id
    tx.execute(update(share_networks).where(where).values(updated_at=now(), **values))


def share_count(tx: Tx, network_id: str) -> int:
    """How many shares are on it, of whichever project; deleted ones until they are gone."""
    on_it = or_(
        shares.c.share_network_id == network_id,
        shares.c.effective_share_network_id == network_id,
    )
    return int(tx.scalar(select(func.count()).select_from(shares).where(on_it)))


def finish_removal(tx: Tx, network_id: str) -> bool:
    """Delete the row of a share network that is to go, once nothing is on it; True if it is gone.

    Call it in the transaction that deletes a share server's row.
    """
    gone = tx.execute(
        delete(share_networks).where(
            share_networks.c.id == network_id,
            share_networks.c.status == str(NetworkStatus.DELETING),
            ~exists().where(share_servers.c.share_network_id == network_id),
            ~exists().where(
                or_(
                    shares.c.share_network_id == network_id,
                    shares.c.effective_share_network_id == network_id,
                )
            ),
        )
    )
    return gone.rowcount == 1


def _select() -> Select[Any]:
    return select(share_networks).where(share_networks.c.status != str(NetworkStatus.DELETING))


def _seen_by(project_id: str) -> ColumnElement[bool]:
    return or_(share_networks.c.project_id == project_id, share_networks.c.is_public)


def _with_subnets(tx: Tx, rows: Sequence[Row[Any]]) -> list[ShareNetwork]:
    subnets = subnet_rows.of_networks(tx, [row.id for row in rows])
    return [load(ShareNetwork, row, subnets=subnets.get(row.id, ())) for row in rows]


def _where(query: NetworkQuery) -> Select[Any]:
    """The list's statement, without order."""
    statement = _select()
    if query.security_service_id is not None:
        statement = statement.where(_has(query.security_service_id, query.project_id))
    if query.project_id is not None:
        own = share_networks.c.project_id == query.project_id
        # What belongs to the provider is no filter on other projects' networks.
        public = query.with_public and not query.provider
        statement = statement.where(_seen_by(query.project_id) if public else own)
    columns = share_networks.c
    conditions = (
        (query.name, lambda value: columns.name == value),
        (query.description, lambda value: columns.description == value),
        (query.name_part, lambda value: like(columns.name, value)),
        (query.description_part, lambda value: like(columns.description, value)),
        (query.created_since, lambda value: columns.created_at >= value),
        (query.created_before, lambda value: columns.created_at <= value),
        (query.is_public, columns.is_public.is_),
    )
    statement = statement.where(*(make(value) for value, make in conditions if value is not None))
    return statement.where(*(_on_subnet(name, value) for name, value in query.provider.items()))


def _has(service_id: str, project_id: str | None) -> ColumnElement[bool]:
    """It has this security service, which is the asking project's own."""
    where = [
        links.c.share_network_id == share_networks.c.id,
        links.c.security_service_id == service_id,
    ]
    if project_id is not None:
        where.append(share_networks.c.project_id == project_id)
    return exists().where(*where)


def _on_subnet(name: str, value: str | int) -> ColumnElement[bool]:
    """Some subnet of the network has this; what only the plugin knows is in `segments`."""
    subnet = share_network_subnets.c
    mine = subnet.share_network_id == share_networks.c.id
    if name in {"neutron_net_id", "neutron_subnet_id", "nova_net_id"}:
        return exists().where(mine, subnet[name] == value)
    # A share network without subnets is known to its plugin by its own ID.
    key = segments.c.subnet_key
    its = or_(
        key == share_networks.c.id,
        exists().where(mine, subnet.id == key).correlate(share_networks, segments),
    )
    return exists().where(its, _of_segment(name, value)).correlate(share_networks)


def _of_segment(name: str, value: str | int) -> ColumnElement[bool]:
    if name in {"network_type", "segmentation_id"}:
        return segments.c[name] == value
    text = cast(segments.c.subnets, Text)
    if name == "cidr":
        return text.contains(f'"cidr": "{value}"', autoescape=True)
    # The list begins [{"cidr": "10.0. or [{"cidr": "fd00: - only IPv4 has an early dot.
    early_dot = func.substr(text, len('[{"cidr": "') + 1, 4).contains(".")
    return early_dot if int(value) == 4 else ~early_dot  # noqa: PLR2004 - an IP version
