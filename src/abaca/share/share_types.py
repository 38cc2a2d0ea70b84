"""Share types: made and changed by administrators, used by projects."""

from __future__ import annotations

from collections.abc import Mapping

from abaca.context import Context
from abaca.db import share_types as db
from abaca.db.database import Database, Tx
from abaca.errors import BadRequest, Conflict, Forbidden, NotFound
from abaca.model.share_type import ShareType
from abaca.share import extra_specs


def visible(tx: Tx, ctx: Context, share_type_id: str) -> ShareType:
    """The type of this ID, if the caller may see it; else `NotFound`."""
    found = db.get(tx, share_type_id)
    if found is None or not _usable(tx, ctx, found):
        raise NotFound(f"Share type {share_type_id} could not be found.")
    return found


def resolve(tx: Tx, ctx: Context, name_or_id: str | None, default: str | None) -> ShareType:
    """The type that a request for a share means: the one it names, else the default.

    `BadRequest` if there is no default to take, `NotFound` for a type that is
    not there or not the caller's to use.
    """
    wanted = name_or_id or default
    if not wanted:
        raise BadRequest(
            "Give a share_type: the request names none, and no default_share_type is configured."
        )
    found = db.find(tx, wanted)
    if found is None or not _usable(tx, ctx, found):
        what = "Share type" if name_or_id else "The configured default share type"
        raise NotFound(f"{what} {wanted} could not be found.")
    return found


def create(
    database: Database,
    *,
    name: str,
    description: str | None,
    is_public: bool,
    specs: Mapping[str, object],
) -> ShareType:
    """Make a type; `Conflict` if the name is taken."""
    right = extra_specs.checked(specs)
    extra_specs.consistent(right)
    with database.write() as tx:
        _name_is_free(tx, name)
        share_type_id = db.create(
            tx, name=name, description=description, is_public=is_public, extra_specs=right
        )
        return _sure(tx, share_type_id)


def update(database: Database, share_type_id: str, values: Mapping[str, object]) -> ShareType:
    """Change name, description or is_public."""
    with database.write() as tx:
        share_type = _sure(tx, share_type_id)
        name = values.get("name")
        if isinstance(name, str) and name != share_type.name:
            _name_is_free(tx, name)
        db.change(tx, share_type_id, values)
        return _sure(tx, share_type_id)


def delete(database: Database, share_type_id: str) -> None:
    """Remove a type; `BadRequest` (as the API has it) while shares use it."""
    with database.write() as tx:
        _sure(tx, share_type_id)
        if db.in_use(tx, share_type_id):
            raise BadRequest(
                f"Share type {share_type_id} is still in use; delete its shares first."
            )
        db.remove(tx, share_type_id)


def set_specs(database: Database, share_type_id: str, specs: Mapping[str, object]) -> ShareType:
    """Set these extra specs and keep the others; all together must make sense."""
    right = extra_specs.checked(specs)
    with database.write() as tx:
        share_type = _sure(tx, share_type_id)
        extra_specs.consistent({**share_type.extra_specs, **right})
        db.set_extra_specs(tx, share_type_id, right)
        return _sure(tx, share_type_id)


def unset_spec(
    database: Database, share_type_id: str, key: str, *, keep: frozenset[str] = frozenset()
) -> None:
    """Remove one extra spec; `Forbidden` for those that every type has, and those in ``keep``."""
    with database.write() as tx:
        share_type = _sure(tx, share_type_id)
        if key in extra_specs.REQUIRED | keep:
            raise Forbidden(f"Extra spec {key} can't be deleted.")
        if key not in share_type.extra_specs:
            raise NotFound(f"Share type {share_type_id} has no extra spec {key}.")
        db.unset_extra_spec(tx, share_type_id, key)


def add_access(database: Database, share_type_id: str, project_id: str) -> None:
    """Let a project use a private type; `Conflict` if it may already, or if the type is public."""
    with database.write() as tx:
        _private(tx, share_type_id)
        if project_id in db.projects(tx, share_type_id):
            raise Conflict(f"Project {project_id} may already use share type {share_type_id}.")
        db.add_project(tx, share_type_id, project_id)


def remove_access(database: Database, share_type_id: str, project_id: str) -> None:
    """Stop letting a project use a private type; its shares stay."""
    with database.write() as tx:
        _private(tx, share_type_id)
        if project_id not in db.projects(tx, share_type_id):
            raise NotFound(f"Project {project_id} has no access to share type {share_type_id}.")
        db.remove_project(tx, share_type_id, project_id)


def _usable(tx: Tx, ctx: Context, share_type: ShareType) -> bool:
    if share_type.is_public or ctx.is_admin:
        return True
    return ctx.project_id in db.projects(tx, share_type.id)


def _sure(tx: Tx, share_type_id: str) -> ShareType:
    found = db.get(tx, share_type_id)
    if found is None:
        raise NotFound(f"Share type {share_type_id} could not be found.")
    return found


def _private(tx: Tx, share_type_id: str) -> None:
    if _sure(tx, share_type_id).is_public:
        raise Conflict(f"Share type {share_type_id} is public: every project may use it.")


def _name_is_free(tx: Tx, name: str) -> None:
    taken = db.find(tx, name)
    if taken is not None:
        raise Conflict(f"Share type {name} already exists.")
