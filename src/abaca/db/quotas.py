"""Limits as set, and usage as counted from the rows themselves: it can't drift."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from abaca.db.database import Tx
from abaca.db.tables import (
    now,
    projects,
    quota_classes,
    quotas,
    share_instances,
    share_networks,
    shares,
    snapshots,
)
from abaca.model.quota import Resource, Scope
from abaca.states import NetworkStatus

_KNOWN = frozenset(Resource)
DEFAULT_CLASS = "default"
"""The quota class whose limits hold for every project that has none of its own."""


def lock_project(tx: Tx, project_id: str) -> None:
    """Whoever counts this project's things in another transaction waits until this one ends.

    Counting and inserting would overshoot on databases that let two
    transactions count at once; SQLite has one writer at a time.
    """
    if tx.dialect == "sqlite":
        return
    who = {"locked_id": project_id}
    if tx.execute(_LOCK, who).rowcount:
        return
    try:
        with tx.connection.begin_nested():
            tx.execute(insert(projects).values(id=project_id, enabled=True, created_at=now()))
    except IntegrityError:
        pass  # another process made the row at the same moment
    tx.execute(_LOCK, who)


def limits_of(tx: Tx, scope: Scope) -> dict[Resource, int]:
    """The limits set for exactly this scope."""
    return limits_in(tx, scope.project_id, scope.user_id)[0].get(scope, {})


def limits_in(
    tx: Tx, project_id: str, user_id: str
) -> tuple[dict[Scope, dict[Resource, int]], dict[Resource, int]]:
    """The limits set in a project by scope, of users only this one's; those of every project."""
    scopes: dict[Scope, dict[Resource, int]] = {}
    of_all: dict[Resource, int] = {}
    for row in tx.execute(_LIMITS, {"project_id": project_id, "user_id": user_id}):
        if row.resource not in _KNOWN:
            continue
        found = of_all
        if row.user_id is not None:
            scope = Scope(
                project_id=project_id, user_id=row.user_id, share_type_id=row.share_type_id
            )
            found = scopes.setdefault(scope, {})
        found[Resource(row.resource)] = row.hard_limit
    return scopes, of_all


def class_limits(tx: Tx, name: str) -> dict[Resource, int]:
    """The limits set for a quota class."""
    return _by_resource(tx.execute(_OF_CLASS, {"class_name": name}))


def set_limits(tx: Tx, scope: Scope, limits: Mapping[Resource, int]) -> None:
    """Set these, and leave the others of the scope as they are."""
    if not limits:
        return
    tx.execute(delete(quotas).where(*_is(scope), quotas.c.resource.in_(_names(limits))))
    whose = {
        "project_id": scope.project_id,
        "user_id": scope.user_id,
        "share_type_id": scope.share_type_id,
    }
    rows = [{**whose, "resource": str(r), "hard_limit": limits[r]} for r in limits]
    tx.execute(insert(quotas), rows)


def set_class_limits(tx: Tx, name: str, limits: Mapping[Resource, int]) -> None:
    """Set these of a quota class, and leave its others as they are."""
    if not limits:
        return
    mine = quota_classes.c.class_name == name
    tx.execute(delete(quota_classes).where(mine, quota_classes.c.resource.in_(_names(limits))))
    rows = [{"class_name": name, "resource": str(r), "hard_limit": limits[r]} for r in limits]
    tx.execute(insert(quota_classes), rows)


def forget_limits(tx: Tx, scope: Scope) -> None:
    """Back to the defaults; of a whole project with its users and share types."""
    where = [quotas.c.project_id == scope.project_id]
    if scope.user_id:
        where.append(quotas.c.user_id == scope.user_id)
    if scope.share_type_id:
        where.append(quotas.c.share_type_id == scope.share_type_id)
    tx.execute(delete(quotas).where(*where))


def used(tx: Tx, scope: Scope, resource: Resource) -> int:
    """How much of the resource exists now; 0 for what is not counted."""
    return used_of_each(tx, scope, [resource])[resource]


def used_of_each(tx: Tx, scope: Scope, resources: Collection[Resource]) -> dict[Resource, int]:
    """How much of each resource exists now; what is of the same things is counted at once."""
    found = dict.fromkeys(resources, 0)
    whose = {
        "of_project": scope.project_id,
        "of_user": scope.user_id,
        "of_share_type": scope.share_type_id,
    }
    for counted, statement in _COUNTS.items():
        if found.keys() & counted:
            row = tx.execute(statement(bool(scope.user_id), bool(scope.share_type_id)), whose).one()
            found |= {
                resource: int(value)
                for resource, value in zip(counted, row, strict=True)
                if resource in found
            }
    return found


@cache
def _shares(by_user: bool, by_type: bool) -> Select[Any]:
    # A share that grows counts with the size that was granted; one that shrinks with what it has.
    wanted = share_instances.c.wanted_size
    size = case((wanted > shares.c.size, wanted), else_=shares.c.size)
    return (
        select(func.count(), func.coalesce(func.sum(size), 0))
        .select_from(shares)
        .join(
            share_instances,
            (share_instances.c.share_id == shares.c.id) & (share_instances.c.primary_slot == 1),
        )
        .where(*_belongs(shares.c, by_user=by_user, by_type=by_type))
    )


@cache
def _snapshots(by_user: bool, by_type: bool) -> Select[Any]:
    return (
        select(func.count(), func.coalesce(func.sum(snapshots.c.size), 0))
        .select_from(snapshots)
        .join(shares, shares.c.id == snapshots.c.share_id)
        .where(*_belongs(snapshots.c, by_user=by_user, by_type=by_type))
    )


@cache
def _networks(by_user: bool, _by_type: bool) -> Select[Any]:
    stays = share_networks.c.status != str(NetworkStatus.DELETING)
    mine = _belongs(share_networks.c, by_user=by_user, by_type=False)
    return select(func.count()).select_from(share_networks).where(*mine, stays)


def _belongs(
    columns: Any,  # noqa: ANN401 - a table's columns
    *,
    by_user: bool,
    by_type: bool,
) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [columns.project_id == bindparam("of_project")]
    if by_user:
        where.append(columns.user_id == bindparam("of_user"))
    if by_type:
        where.append(shares.c.share_type_id == bindparam("of_share_type"))
    return where


_COUNTS: Mapping[tuple[Resource, ...], Callable[[bool, bool], Select[Any]]] = {
    (Resource.SHARES, Resource.GIGABYTES): _shares,
    (Resource.SNAPSHOTS, Resource.SNAPSHOT_GIGABYTES): _snapshots,
    (Resource.SHARE_NETWORKS,): _networks,
}


def _is(scope: Scope) -> tuple[ColumnElement[bool], ...]:
    return (
        quotas.c.project_id == scope.project_id,
        quotas.c.user_id == scope.user_id,
        quotas.c.share_type_id == scope.share_type_id,
    )


def _names(limits: Mapping[Resource, int]) -> list[str]:
    return [str(resource) for resource in limits]


def _by_resource(rows: Any) -> dict[Resource, int]:  # noqa: ANN401 - rows of a query
    return {Resource(row.resource): row.hard_limit for row in rows if row.resource in _KNOWN}


_LOCK = (
    update(projects)
    .where(projects.c.id == bindparam("locked_id"))
    .values(version=projects.c.version + 1)
)
_NOBODY = cast(null(), String(1))
_LIMITS = (
    select(quotas.c.resource, quotas.c.hard_limit, quotas.c.user_id, quotas.c.share_type_id)
    .where(
        quotas.c.project_id == bindparam("project_id"),
        or_(quotas.c.user_id == "", quotas.c.user_id == bindparam("user_id")),
    )
    .union_all(
        select(quota_classes.c.resource, quota_classes.c.hard_limit, _NOBODY, _NOBODY).where(
            quota_classes.c.class_name == DEFAULT_CLASS
        )
    )
)
_OF_CLASS = select(quota_classes.c.resource, quota_classes.c.hard_limit).where(
    quota_classes.c.class_name == bindparam("class_name")
)
