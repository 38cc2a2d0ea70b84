"""The helper's rows: what each share server was promised and given, by network section."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, insert, null, or_, select, update

from abaca.db import segments
from abaca.db.database import Tx
from abaca.db.tables import allocations, new_id, now, share_servers
from abaca.network.plugin import Allocation, Claim, Label


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRow:
    """A claim that was recorded, with what the plugin answered (None until it has)."""

    section: str
    claim: Claim
    allocation: Allocation | None = None
    forgotten: bool = False
    """The plugin was told to forget it, and may have: its addresses may be nobody's."""


def of_server(
    tx: Tx, server_id: str, section: str | None = None, label: Label | None = None
) -> list[AllocationRow]:
    """The rows of a share server, by section, subnet, label and index."""
    statement = (
        select(allocations)
        .where(allocations.c.share_server_id == server_id)
        .order_by(
            allocations.c.section,
            allocations.c.subnet_key,
            allocations.c.label,
            allocations.c.index,
        )
    )
    if section is not None:
        statement = statement.where(allocations.c.section == section)
    if label is not None:
        statement = statement.where(allocations.c.label == str(label))
    return [_row(row) for row in tx.execute(statement)]


def of_host(tx: Tx, host: str, section: str) -> list[AllocationRow]:
    """The rows of every share server of a backend (``host@backend``) in one network section."""
    statement = (
        select(allocations)
        .join(share_servers, share_servers.c.id == allocations.c.share_server_id)
        .where(share_servers.c.host == host, allocations.c.section == section)
        .order_by(allocations.c.share_server_id, allocations.c.subnet_key, allocations.c.index)
    )
    return [_row(row) for row in tx.execute(statement)]


def every_claim(tx: Tx) -> set[Claim]:
    """The claims of all rows: what `NetworkPlugin.collect` must keep."""
    return {_row(row).claim for row in tx.execute(select(allocations))}


def in_use(tx: Tx, section: str, key: str) -> bool:
    """True if any share server has rows on the subnet through this section, and stays."""
    statement = select(allocations.c.id).where(
        allocations.c.section == section,
        allocations.c.subnet_key == key,
        or_(allocations.c.leaving.is_(False), allocations.c.plugin_id.is_not(None)),
    )
    return tx.execute(statement.limit(1)).first() is not None


def leave(tx: Tx, section: str, claims: Collection[Claim]) -> None:
    """The plugin has let go of these: their rows say nothing any more but that they were."""
    nothing = {"plugin_id": None, "addresses": null(), "mac_address": None, "segment": null()}
    if claims:
        tx.execute(
            update(allocations).where(_where(section, claims)).values(leaving=True, **nothing)
        )


def forget(tx: Tx, section: str, claims: Collection[Claim]) -> None:
    """The plugin is about to forget these. What they were given is kept, to be had again."""
    if claims:
        tx.execute(update(allocations).where(_where(section, claims)).values(leaving=True))


def claim(tx: Tx, section: str, claims: Collection[Claim]) -> None:
    """Write down that these will be asked for, unless they are written down already."""
    if not claims:
        return
    known = {
        row.claim
        for owner in {item.owner for item in claims}
        for row in of_server(tx, owner, section)
    }
    stamp = now()
    rows = [
        {
            "id": new_id(),
            "share_server_id": item.owner,
            "section": section,
            "subnet_key": item.subnet,
            "label": str(item.label),
            "index": item.index,
            "leaving": False,
            "created_at": stamp,
        }
        for item in claims
        if item not in known
    ]
    if rows:
        tx.execute(insert(allocations), rows)
    tx.execute(update(allocations).where(_where(section, claims)).values(leaving=False))


def record(tx: Tx, section: str, results: Sequence[Allocation]) -> None:
    """Write down what the plugin answered, in rows that `claim` made: it is held."""
    for item in results:
        tx.execute(
            update(allocations)
            .where(_where(section, [item.claim]))
            .values(
                plugin_id=item.id,
                addresses=[str(address) for address in item.addresses],
                mac_address=item.mac_address,
                segment=segments.encode(item.segment),
                leaving=False,
                updated_at=now(),
            )
        )
        segments.record(tx, section, item.claim.subnet, item.segment)


def discard(tx: Tx, section: str, claims: Collection[Claim]) -> None:
    """Delete the rows; with the last one on a subnet goes what was known of its segment."""
    if claims:
        tx.execute(delete(allocations).where(_where(section, claims)))
    for key in {item.subnet for item in claims}:
        left = select(allocations.c.id).where(
            allocations.c.section == section, allocations.c.subnet_key == key
        )
        if tx.execute(left.limit(1)).first() is None:
            segments.discard(tx, section, key)


def _where(section: str, claims: Collection[Claim]) -> ColumnElement[bool]:
    return and_(
        allocations.c.section == section,
        or_(
            *(
                and_(
                    allocations.c.share_server_id == item.owner,
                    allocations.c.subnet_key == item.subnet,
                    allocations.c.label == str(item.label),
                    allocations.c.index == item.index,
                )
                for item in sorted(claims)
            )
        ),
    )


def _row(row: Row[Any]) -> AllocationRow:
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name
    claimed = Claim(
        owner=values["share_server_id"],
        label=Label(values["label"]),
        subnet=values["subnet_key"],
        index=values["index"],
    )
    if values["plugin_id"] is None:
        return AllocationRow(section=values["section"], claim=claimed, allocation=None)
    given = Allocation(
        claim=claimed,
        id=values["plugin_id"],
        addresses=tuple(ip_address(item) for item in values["addresses"]),
        mac_address=values["mac_address"],
        segment=segments.decode(values["segment"]),
    )
    return AllocationRow(
        section=values["section"],
        claim=claimed,
        allocation=given,
        forgotten=bool(values["leaving"]),
    )
