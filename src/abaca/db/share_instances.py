"""Share instances, for administrators, the scheduler, and the manager that makes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, bindparam, case, delete, exists, func, insert, select, update

from abaca.db.database import Tx
from abaca.db.paging import fetch
from abaca.db.rows import load
from abaca.db.tables import (
    access_rules,
    export_locations,
    new_id,
    now,
    share_instances,
    shares,
)
from abaca.model.access_rule import AccessRule
from abaca.model.page import Page, Slice
from abaca.model.share import ExportLocation, Share, ShareInstance
from abaca.states import AccessRulesStatus, AccessState

_PREFIX = "instance_"
_RULE = "rule_"
_SHARE_OF = (
    select(*shares.c, *(column.label(_PREFIX + column.name) for column in share_instances.c))
    .join(share_instances, share_instances.c.share_id == shares.c.id)
    .where(share_instances.c.id == bindparam("instance_id"))
)
_WITH_RULES = (
    _SHARE_OF.add_columns(*(column.label(_RULE + column.name) for column in access_rules.c))
    .outerjoin(access_rules, access_rules.c.share_id == shares.c.id)
    .order_by(access_rules.c.created_at, access_rules.c.id)
)
_SETTLE = update(share_instances).where(share_instances.c.id == bindparam("of_instance"))
_CHANGE = _SETTLE.where(
    share_instances.c.status == bindparam("seen_status"),
    share_instances.c.wanted_size == bindparam("seen_size"),
    share_instances.c.revert_to.is_not_distinct_from(bindparam("seen_revert_to")),
)
_rule = access_rules.c
_OF_SHARE = exists().where(_rule.share_id == share_instances.c.share_id)
_RULES_STATUS = case(
    (
        _OF_SHARE.where(_rule.state.not_in((str(AccessState.ACTIVE), str(AccessState.ERROR)))),
        str(AccessRulesStatus.SYNCING),
    ),
    (_OF_SHARE.where(_rule.state == str(AccessState.ERROR)), str(AccessRulesStatus.ERROR)),
    else_=str(AccessRulesStatus.ACTIVE),
)
"""What the share's rules are by the states of each."""
_SETTLE_RULES = _SETTLE.values(access_rules_status=_RULES_STATUS)
_CHANGE_RULES = _CHANGE.values(access_rules_status=_RULES_STATUS)
_EXPORTS = select(export_locations).where(
    export_locations.c.share_instance_id == bindparam("of_instance")
)
_EXPORT = insert(export_locations)
_RULES = (
    select(access_rules)
    .where(access_rules.c.share_id == bindparam("of_share"))
    .order_by(access_rules.c.created_at, access_rules.c.id)
)


def hosts_of_shares(tx: Tx, project_id: str, share_ids: Collection[str]) -> dict[str, str | None]:
    """``host@backend`` of each of these shares that is this project's; None if not placed yet."""
    if not share_ids:
        return {}
    rows = tx.execute(
        select(shares.c.id, share_instances.c.host)
        .join(share_instances, share_instances.c.share_id == shares.c.id)
        .where(
            shares.c.id.in_(sorted(share_ids)),
            shares.c.project_id == project_id,
            share_instances.c.primary_slot == 1,
        )
    )
    return {row.id: row.host for row in rows}


def share_of(tx: Tx, instance_id: str) -> Share | None:
    """The share with this instance in it, whichever of its instances speaks for it."""
    row = tx.execute(_SHARE_OF, {"instance_id": instance_id}).one_or_none()
    if row is None:
        return None
    return load(Share, row, instance=load(ShareInstance, row, prefix=_PREFIX))


def with_rules(tx: Tx, instance_id: str) -> tuple[Share, list[AccessRule]] | None:
    """The share with this instance in it, and its access rules as `rules` has them."""
    rows = tx.execute(_WITH_RULES, {"instance_id": instance_id}).all()
    if not rows:
        return None
    share = load(Share, rows[0], instance=load(ShareInstance, rows[0], prefix=_PREFIX))
    found = [load(AccessRule, row, prefix=_RULE) for row in rows if row.rule_id is not None]
    return share, found


def of_host(tx: Tx, host: str) -> list[ShareInstance]:
    """Every instance of a backend (``host@backend``), oldest first."""
    return tx.all(
        ShareInstance,
        select(share_instances)
        .where(share_instances.c.host == host)
        .order_by(share_instances.c.created_at, share_instances.c.id),
    )


def on_server(tx: Tx, server_id: str) -> list[str]:
    """IDs of the instances on a share server, oldest first."""
    return list(
        tx.execute(
            select(share_instances.c.id)
            .where(share_instances.c.share_server_id == server_id)
            .order_by(share_instances.c.created_at, share_instances.c.id)
        ).scalars()
    )


def settle(tx: Tx, instance_id: str, values: Mapping[str, object], *, rules: bool = False) -> None:
    """Write down facts about it, whatever was asked meanwhile.

    ``rules``: and what its rules are now, by the states of each.
    """
    statement = _SETTLE_RULES if rules else _SETTLE
    tx.execute(statement, {**values, "updated_at": now(), "of_instance": instance_id})


def change(
    tx: Tx, seen: ShareInstance, values: Mapping[str, object], *, rules: bool = False
) -> bool:
    """Change the row if nobody asked for something else since it was seen; True if changed.

    ``rules``: as `settle`.
    """
    unchanged = {
        "of_instance": seen.id,
        "seen_status": str(seen.status),
        "seen_size": seen.wanted_size,
        "seen_revert_to": seen.revert_to,
    }
    statement = _CHANGE_RULES if rules else _CHANGE
    return tx.execute(statement, {**values, "updated_at": now(), **unchanged}).rowcount == 1


def resized(tx: Tx, share_id: str, size_gib: int) -> None:
    """The share has this size now."""
    tx.execute(
        update(shares).where(shares.c.id == share_id).values(size=size_gib, updated_at=now())
    )


def replaced(tx: Tx, share_id: str, effective_share_network_id: str | None) -> None:
    """The share was placed anew, and uses this share network."""
    stamp = now()
    tx.execute(
        update(shares)
        .where(shares.c.id == share_id)
        .values(
            effective_share_network_id=effective_share_network_id,
            scheduled_at=stamp,
            updated_at=stamp,
        )
    )


def exports(tx: Tx, instance_id: str) -> dict[str, tuple[bool, bool]]:
    """Its export locations as `export` takes them."""
    found = tx.all(ExportLocation, _EXPORTS, {"of_instance": instance_id})
    return {item.path: (item.preferred, item.is_admin_only) for item in found}


def export(
    tx: Tx, instance_id: str, paths: Mapping[str, tuple[bool, bool]], *, first: bool = False
) -> None:
    """Exactly these are its export locations: path to (preferred, for administrators only).

    A location that stays keeps its ID. ``first``: there is none yet.
    """
    known = [] if first else tx.all(ExportLocation, _EXPORTS, {"of_instance": instance_id})
    kept = {
        item.path for item in known if paths.get(item.path) == (item.preferred, item.is_admin_only)
    }
    gone = [item.id for item in known if item.path not in kept]
    if gone:
        tx.execute(delete(export_locations).where(export_locations.c.id.in_(gone)))
    rows = [
        {
            "id": new_id(),
            "share_instance_id": instance_id,
            "path": path,
            "preferred": preferred,
            "is_admin_only": admin,
            "created_at": now(),
        }
        for path, (preferred, admin) in paths.items()
        if path not in kept
    ]
    if rows:
        tx.execute(_EXPORT, rows)


def rules(tx: Tx, share_id: str) -> list[AccessRule]:
    """The access rules of a share, those on their way out too, oldest first."""
    return tx.all(AccessRule, _RULES, {"of_share": share_id})


def settle_rules(tx: Tx, states: Mapping[str, AccessState], denied: Collection[str]) -> None:
    """Rules got these states, and the denied ones are gone.

    A rule that a request is taking away meanwhile keeps its state, and is denied next.
    """
    leaving = (str(AccessState.QUEUED_TO_DENY), str(AccessState.DENYING))
    for rule_id, state in states.items():
        tx.execute(
            update(access_rules)
            .where(access_rules.c.id == rule_id, access_rules.c.state.not_in(leaving))
            .values(state=str(state), updated_at=now())
        )
    if denied:
        tx.execute(delete(access_rules).where(access_rules.c.id.in_(sorted(denied))))


def remove(tx: Tx, instance: ShareInstance) -> None:
    """Delete the instance, and its share with all that hangs on it if it was the last one."""
    tx.execute(delete(share_instances).where(share_instances.c.id == instance.id))
    others = select(func.count()).where(share_instances.c.share_id == instance.share_id)
    if not tx.scalar(others):
        tx.execute(delete(shares).where(shares.c.id == instance.share_id))


def find(tx: Tx, equal: Mapping[str, str], page: Page) -> Slice[Share]:
    """Shares with one of their instances each, of every project (administrators).

    ``equal``: by name, one of `FILTERS`.
    """
    instance = [column.label(_PREFIX + column.name) for column in share_instances.c]
    statement = select(*shares.c, *instance).join(
        share_instances, share_instances.c.share_id == shares.c.id
    )
    for name, value in equal.items():
        statement = statement.where(_where(name, value))
    return fetch(
        tx,
        Share,
        statement,
        page,
        key=share_instances.c.id,
        columns={"id": share_instances.c.id, "created_at": share_instances.c.created_at},
        make=lambda row: load(Share, row, instance=load(ShareInstance, row, prefix=_PREFIX)),
    )


def _where(name: str, value: str) -> ColumnElement[bool]:
    if name.startswith("export_location_"):
        location = export_locations.c
        column = location.id if name == "export_location_id" else location.path
        return exists().where(location.share_instance_id == share_instances.c.id, column == value)
    column = shares.c[name] if name in {"share_type_id", "project_id"} else share_instances.c[name]
    return column == value


_PREFIX = "instance_"
FILTERS = (
    "share_id",
    "status",
    "host",
    "share_server_id",
    "availability_zone",
    "project_id",
    "share_type_id",
)
