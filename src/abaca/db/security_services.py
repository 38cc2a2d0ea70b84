"""Security services: found among a project's own, made, changed, put on share networks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, func, insert, select, update

from abaca.db.database import Tx
from abaca.db.paging import fetch, like
from abaca.db.rows import dump
from abaca.db.tables import now, security_services, share_networks, share_servers
from abaca.db.tables import share_network_security_services as links
from abaca.model.page import Page, Slice
from abaca.model.security_service import SecurityService
from abaca.states import NetworkStatus

FILTERS = ("id", "name", "description", "type", "user", "server", "dns_ip", "domain", "ou")
SORT_KEYS: Mapping[str, ColumnElement[Any]] = {
    "id": security_services.c.id,
    "name": func.coalesce(security_services.c.name, ""),
    "type": security_services.c.type,
    "created_at": security_services.c.created_at,
    "updated_at": func.coalesce(security_services.c.updated_at, security_services.c.created_at),
}
_IN_USE = exists().where(
    links.c.security_service_id == security_services.c.id,
    share_servers.c.share_network_id == links.c.share_network_id,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityQuery:
    """Which security services a list is of."""

    project_id: str | None
    """None: every project's."""
    equal: Mapping[str, str] = field(default_factory=dict)
    """Exact values of `FILTERS`."""
    name_part: str | None = None
    description_part: str | None = None
    default_ad_site: str | None = None
    share_network_id: str | None = None
    """Only those that this share network has."""
    in_use: bool | None = None


def get(
    tx: Tx, service_id: str, project_id: str | None, *, lock: bool = False
) -> SecurityService | None:
    """One, if it is this project's (None: anybody's)."""
    statement = _select().where(security_services.c.id == service_id)
    if project_id is not None:
        statement = statement.where(security_services.c.project_id == project_id)
    found = tx.one(SecurityService, statement.with_for_update() if lock else statement)
    if lock and found is not None:
        tx.hold(f"security service {service_id}")
    return found


def find(tx: Tx, query: SecurityQuery, page: Page) -> Slice[SecurityService]:
    """The page of the list."""
    return fetch(
        tx, SecurityService, _where(query), page, key=security_services.c.id, columns=SORT_KEYS
    )


def of_network(tx: Tx, network_id: str) -> list[SecurityService]:
    """Those that a share network has, by type."""
    query = SecurityQuery(project_id=None, share_network_id=network_id)
    return tx.all(SecurityService, _where(query).order_by(security_services.c.type))


def add(tx: Tx, service: SecurityService) -> None:
    """Write a new one."""
    tx.execute(insert(security_services).values(dump(service, security_services)))


def change(tx: Tx, service_id: str, values: Mapping[str, object]) -> None:
    """Set columns."""
    where = security_services.c.id == service_id
    tx.execute(update(security_services).where(where).values({**values, "updated_at": now()}))


def remove(tx: Tx, service_id: str) -> None:
    """Delete it; no share network may have it."""
    tx.execute(delete(security_services).where(security_services.c.id == service_id))


def networks_with(tx: Tx, service_id: str) -> list[str]:
    """IDs of the share networks that have it."""
    rows = select(links.c.share_network_id).where(links.c.security_service_id == service_id)
    there = share_networks.c.status != str(NetworkStatus.DELETING)
    rows = rows.join(share_networks, share_networks.c.id == links.c.share_network_id).where(there)
    return list(tx.execute(rows.order_by(links.c.share_network_id)).scalars())


def associate(tx: Tx, network_id: str, service: SecurityService) -> None:
    """The share network has it from now on."""
    row = {"share_network_id": network_id, "security_service_id": service.id}
    tx.execute(insert(links).values({**row, "type": str(service.type)}))


def dissociate(tx: Tx, network_id: str, service_id: str) -> bool:
    """The share network has it no longer; False if it had not."""
    where = (links.c.share_network_id == network_id, links.c.security_service_id == service_id)
    return tx.execute(delete(links).where(*where)).rowcount > 0


def forget_everywhere(tx: Tx, service_id: str, network_ids: Collection[str]) -> None:
    """Of share networks that are on their way out, all but these."""
    where = links.c.security_service_id == service_id
    kept = links.c.share_network_id.not_in(sorted(network_ids))
    tx.execute(delete(links).where(where, kept))


def _select() -> Select[Any]:
    return select(security_services, _IN_USE.label("in_use"))


def _where(query: SecurityQuery) -> Select[Any]:
    statement, column = _select(), security_services.c
    if query.project_id is not None:
        statement = statement.where(column.project_id == query.project_id)
    statement = statement.where(*(column[name] == value for name, value in query.equal.items()))
    if query.default_ad_site is not None:
        statement = statement.where(column.default_ad_site == query.default_ad_site)
    for part, text in (
        (column.name, query.name_part),
        (column.description, query.description_part),
    ):
        if text is not None:
            statement = statement.where(like(part, text))
    if query.share_network_id is not None:
        on_it = links.c.share_network_id == query.share_network_id
        its = exists().where(links.c.security_service_id == column.id, on_it)
        statement = statement.where(its)
    if query.in_use is not None:
        statement = statement.where(_IN_USE if query.in_use else ~_IN_USE)
    return statement
