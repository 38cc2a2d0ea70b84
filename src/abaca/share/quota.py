"""Quota: is there room for what a request wants, counted in the request's own transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from abaca.context import Context
from abaca.db import quotas
from abaca.db.database import Tx
from abaca.errors import OverLimit
from abaca.model.quota import DEFAULT_LIMITS, NOT_PER_TYPE, UNLIMITED, Resource, Scope, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is limited in a project for one of its users, whatever the share type."""

    project_id: str
    user_id: str
    project: Mapping[Resource, int]
    """Those of the whole project, set or by default."""
    scopes: Mapping[Scope, Mapping[Resource, int]]
    """Those set for users and share types in it."""

    def have_counted(self, resources: Collection[Resource]) -> bool:
        """True if what there is of one of these must be counted."""
        return any(
            found.get(resource, UNLIMITED) != UNLIMITED
            for found in (self.project, *self.scopes.values())
            for resource in resources
        )


def look_up(
    tx: Tx,
    project_id: str,
    user_id: str,
    defaults: Mapping[Resource, int] = DEFAULT_LIMITS,
) -> Limits:
    """The limits now."""
    scopes, of_all = quotas.limits_in(tx, project_id, user_id)
    own = scopes.get(Scope(project_id=project_id), {})
    return Limits(
        project_id=project_id,
        user_id=user_id,
        project={**DEFAULT_LIMITS, **defaults, **of_all, **own},
        scopes=scopes,
    )


def reserve(
    tx: Tx,
    ctx: Context,
    wanted: Mapping[Resource, int],
    *,
    share_type_id: str | None = None,
    project_id: str | None = None,
    user_id: str | None = None,
    defaults: Mapping[Resource, int] = DEFAULT_LIMITS,
) -> None:
    """Return if so much more fits into every limit that concerns it; else `OverLimit`.

    Call it before the rows are written, in the same write transaction: they are
    what is counted, so nothing is reserved and nothing needs to be given back.
    ``wanted`` is what is added (for PER_SHARE_GIGABYTES: the size that the share
    will have). ``project_id`` and ``user_id`` are those of an existing thing that
    grows, where they are not the caller's.
    """
    project = project_id or ctx.project_id
    quotas.lock_project(tx, project)
    limits = look_up(tx, project, user_id or ctx.user_id, defaults)
    check(tx, limits, wanted, share_type_id=share_type_id)


def check(
    tx: Tx, limits: Limits, wanted: Mapping[Resource, int], *, share_type_id: str | None = None
) -> None:
    """As `reserve`, by whom has locked the project if something of it must be counted."""
    project = limits.project_id
    scopes = [
        (Scope(project_id=project), "project"),
        (Scope(project_id=project, user_id=limits.user_id), "user"),
    ]
    if share_type_id is not None:
        scopes.append((Scope(project_id=project, share_type_id=share_type_id), "share type"))
    for scope, what in scopes:
        # Whoever has no limit of their own has only the project's, checked first.
        found = limits.project if what == "project" else limits.scopes.get(scope, {})
        limited = [
            resource
            for resource, more in wanted.items()
            if more > 0 and found.get(resource, UNLIMITED) != UNLIMITED
        ]
        for resource, in_use in quotas.used_of_each(tx, scope, limited).items():
            more, limit = wanted[resource], found[resource]
            if in_use + more > limit:
                raise OverLimit(
                    f"Quota exceeded for {resource} of the {what}: "
                    f"{more} more asked, {in_use} of {limit} used."
                )


def limits(
    tx: Tx, scope: Scope, defaults: Mapping[Resource, int] = DEFAULT_LIMITS
) -> dict[Resource, int]:
    """The limits in force: the scope's own, else the project's, else the defaults."""
    found = default_limits(tx, defaults)
    found |= quotas.limits_of(tx, Scope(project_id=scope.project_id))
    if scope.user_id or scope.share_type_id:
        found |= quotas.limits_of(tx, scope)
    if scope.share_type_id:
        found = {key: value for key, value in found.items() if key not in NOT_PER_TYPE}
    return found


def default_limits(
    tx: Tx, defaults: Mapping[Resource, int] = DEFAULT_LIMITS
) -> dict[Resource, int]:
    """What holds for a project without limits of its own."""
    return {**DEFAULT_LIMITS, **defaults, **quotas.class_limits(tx, quotas.DEFAULT_CLASS)}


def usages(
    tx: Tx, scope: Scope, defaults: Mapping[Resource, int] = DEFAULT_LIMITS
) -> dict[Resource, Usage]:
    """The limits in force, and what is used of each."""
    found = limits(tx, scope, defaults)
    used = quotas.used_of_each(tx, scope, found)
    return {
        resource: Usage(limit=limit, in_use=used[resource]) for resource, limit in found.items()
    }
