"""Queries on share types, their extra specs and who may use the private ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, delete, or_, select, update

from abaca.db.among import among
from abaca.db.database import Tx
from abaca.db.rows import load
from abaca.db.tables import (
    new_id,
    now,
    quotas,
    share_type_extra_specs,
    share_type_projects,
    share_types,
    shares,
)
from abaca.model.share_type import ShareType

_specs = share_type_extra_specs.c
_access = share_type_projects.c


def get(tx: Tx, share_type_id: str) -> ShareType | None:
    """The type of this ID."""
    found = by_id(tx, [share_type_id])
    return found.get(share_type_id)


def by_id(tx: Tx, share_type_ids: Collection[str]) -> dict[str, ShareType]:
    """Those of these types that there are."""
    found = _with_specs(tx, _of(tx.dialect), {"ids": sorted(share_type_ids)})
    return {share_type.id: share_type for share_type in found}


def find(tx: Tx, name_or_id: str) -> ShareType | None:
    """The type of this ID or, failing that, of this name."""
    found = _with_specs(tx, _NAMED, {"name_or_id": name_or_id})
    by_id = [share_type for share_type in found if share_type.id == name_or_id]
    return next(iter(by_id or found), None)


def list_all(
    tx: Tx,
    *,
    is_public: bool | None,
    project_id: str | None,
    extra_specs: Mapping[str, str] | None = None,
) -> tuple[ShareType, ...]:
    """Types by name: public ones, private ones, or (None) both.

    With the public ones come the private ones that ``project_id`` may use.
    ``extra_specs``: only types with each of these.
    """
    statement = select(share_types).order_by(share_types.c.name)
    if is_public is not None:
        mine = select(_access.share_type_id).where(_access.project_id == project_id)
        wanted = share_types.c.is_public == is_public
        statement = statement.where(
            or_(wanted, share_types.c.id.in_(mine)) if is_public else wanted
        )
    for key, value in (extra_specs or {}).items():
        having = select(_specs.share_type_id).where(_specs.key == key, _specs.value == value)
        statement = statement.where(share_types.c.id.in_(having))
    return _many(tx, statement)


def create(
    tx: Tx, *, name: str, description: str | None, is_public: bool, extra_specs: Mapping[str, str]
) -> str:
    """Make a type; its ID. The caller has looked that the name is free."""
    share_type_id = new_id()
    tx.execute(
        share_types.insert(),
        {
            "id": share_type_id,
            "name": name,
            "description": description,
            "is_public": is_public,
            "created_at": now(),
        },
    )
    _set(tx, share_type_id, extra_specs)
    return share_type_id


def change(tx: Tx, share_type_id: str, values: Mapping[str, object]) -> None:
    """Set name, description or is_public."""
    statement = update(share_types).where(share_types.c.id == share_type_id)
    tx.execute(statement.values(**values, updated_at=now()))


def remove(tx: Tx, share_type_id: str) -> None:
    """Remove a type that no share uses, with its quotas."""
    tx.execute(delete(quotas).where(quotas.c.share_type_id == share_type_id))
    tx.execute(delete(share_type_extra_specs).where(_specs.share_type_id == share_type_id))
    tx.execute(delete(share_type_projects).where(_access.share_type_id == share_type_id))
    tx.execute(delete(share_types).where(share_types.c.id == share_type_id))


def in_use(tx: Tx, share_type_id: str) -> bool:
    """Whether a share has this type."""
    used = select(shares.c.id).where(shares.c.share_type_id == share_type_id).limit(1)
    return tx.scalar(used) is not None


def set_extra_specs(tx: Tx, share_type_id: str, extra_specs: Mapping[str, str]) -> None:
    """Set these, and leave the others."""
    _unset(tx, share_type_id, extra_specs)
    _set(tx, share_type_id, extra_specs)
    change(tx, share_type_id, {})


def unset_extra_spec(tx: Tx, share_type_id: str, key: str) -> None:
    """Remove one; removing what is not there succeeds."""
    _unset(tx, share_type_id, [key])
    change(tx, share_type_id, {})


def _set(tx: Tx, share_type_id: str, extra_specs: Mapping[str, str]) -> None:
    rows = [
        {"share_type_id": share_type_id, "key": key, "value": value}
        for key, value in extra_specs.items()
    ]
    if rows:
        tx.execute(share_type_extra_specs.insert(), rows)


def _unset(tx: Tx, share_type_id: str, keys: Collection[str]) -> None:
    of_type = _specs.share_type_id == share_type_id
    tx.execute(delete(share_type_extra_specs).where(of_type, _specs.key.in_(list(keys))))


def projects(tx: Tx, share_type_id: str) -> tuple[str, ...]:
    """IDs of the projects that may use it though it is private."""
    statement = select(_access.project_id).where(_access.share_type_id == share_type_id)
    return tuple(row.project_id for row in tx.execute(statement.order_by(_access.project_id)))


def add_project(tx: Tx, share_type_id: str, project_id: str) -> None:
    """Let a project use it; the caller has looked that it may not yet."""
    tx.execute(
        share_type_projects.insert(), {"share_type_id": share_type_id, "project_id": project_id}
    )


def remove_project(tx: Tx, share_type_id: str, project_id: str) -> None:
    """Stop letting a project use it."""
    tx.execute(
        delete(share_type_projects).where(
            _access.share_type_id == share_type_id, _access.project_id == project_id
        )
    )


_WITH_SPECS = (
    select(share_types, _specs.key, _specs.value)
    .join_from(share_types, share_type_extra_specs, isouter=True)
    .order_by(share_types.c.id, _specs.key)
)
_NAMED = _WITH_SPECS.where(
    or_(share_types.c.id == bindparam("name_or_id"), share_types.c.name == bindparam("name_or_id"))
)


@cache
def _of(dialect: str) -> Select[Any]:
    """Those of some IDs."""
    return _WITH_SPECS.where(among(share_types.c.id, "ids", dialect))


def _with_specs(tx: Tx, statement: Select[Any], values: Mapping[str, object]) -> list[ShareType]:
    """The types of a statement that joins extra specs to them, one row each."""
    rows: Sequence[Any] = tx.execute(statement, values).all()
    specs: dict[str, dict[str, str]] = {}
    first: dict[str, Any] = {}
    for row in rows:
        share_type_id, key, value = row[0], row[-2], row[-1]
        own = specs.setdefault(share_type_id, {})
        first.setdefault(share_type_id, row)
        if key is not None:
            own[key] = value
    return [load(ShareType, first[key], extra_specs=own) for key, own in specs.items()]


def _many(tx: Tx, statement: Select[Any]) -> tuple[ShareType, ...]:
    found = tx.all(ShareType, statement)
    wanted = [share_type.id for share_type in found]
    specs: dict[str, dict[str, str]] = {share_type_id: {} for share_type_id in wanted}
    rows = select(share_type_extra_specs).where(_specs.share_type_id.in_(wanted))
    for row in tx.execute(rows.order_by(_specs.key)) if wanted else ():
        specs[row.share_type_id][row.key] = row.value
    return tuple(replace(share_type, extra_specs=specs[share_type.id]) for share_type in found)
