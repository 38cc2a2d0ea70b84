"""A database with backends, types and share networks, and callers, for tests of use cases."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select

from abaca.context import Context, Version
from abaca.db.database import Database
from abaca.db.tables import messages, tasks
from abaca.model.share import Share
from abaca.share.choices import Defaults
from abaca.share.create import NewShare, create
from api.setups import shares as rows

LATEST = Version(2, 78)


def caller(project: str, *, admin: bool = False, version: Version = LATEST) -> Context:
    """Somebody of a project."""
    return Context(
        user_id=f"user-of-{project}",
        project_id=project,
        roles=frozenset({"admin" if admin else "member"}),
        request_id="req-1",
        version=version,
        is_admin=admin,
    )


RED, BLUE, ADMIN = caller("red"), caller("blue"), caller("ops", admin=True)


@dataclass(frozen=True)
class World:
    """A single_svm and a flat backend, types ``gold`` and ``silver``, their names by role."""

    db: Database
    names: dict[str, str] = field(default_factory=dict)

    def set_up(self) -> World:
        """Make the rows."""
        self.names.update(rows.backend(self.db) | rows.flat(self.db) | rows.bare_type(self.db))
        return self

    def create(
        self, ctx: Context = RED, defaults: Defaults | None = None, **wanted: object
    ) -> Share:
        """A share as the API would have it made, of type gold and 1 GiB unless said otherwise."""
        request = NewShare(
            **{"share_proto": "NFS", "size": 1, **wanted}  # type: ignore[arg-type]
        )
        with self.db.write() as tx:
            return create(tx, ctx, request, defaults or Defaults(share_type="gold"))

    def tasks(self) -> list[tuple[str, str, str | None, str]]:
        """Kind, resource, queue and lane of every live task."""
        with self.db.read() as tx:
            columns = tasks.c
            found = tx.execute(
                select(columns.kind, columns.resource_id, columns.queue, columns.lane)
            )
            return [tuple(row) for row in found]

    def messages(self) -> list[tuple[str, str, str]]:
        """Resource, detail and text of every user message."""
        with self.db.read() as tx:
            columns = messages.c
            found = tx.execute(select(columns.resource_id, columns.detail_id, columns.user_message))
            return [tuple(row) for row in found]
