"""What a handler gets, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from abaca.api.bodies import FALSE, TRUE
from abaca.api.policy import Policy
from abaca.api.reading import NUL_REFUSED
from abaca.api.settings import ApiSettings
from abaca.context import Context, Version
from abaca.db.database import Database
from abaca.errors import BadRequest

LARGEST = 2**31 - 1
"""What every database can compare with."""


class Query(dict[str, str]):
    """The query string; of a repeated key the last value counts."""

    def __init__(self, text: str) -> None:
        if "%00" in text or "\0" in text:
            raise BadRequest(f"The query has {NUL_REFUSED}")
        super().__init__(parse_qsl(text, keep_blank_values=True))

    def boolean(self, key: str, *, default: bool = False) -> bool:
        """The value as a boolean; `BadRequest` if it is none."""
        if key not in self:
            return default
        text = self[key].strip().lower()
        if text not in TRUE | FALSE:
            raise BadRequest(f"Query parameter {key}={self[key]!r}: give true or false.")
        return text in TRUE

    def integer(self, key: str) -> int | None:
        """The value as a whole number, None if it is not given; `BadRequest` if it is none."""
        text = self.get(key)
        if text is None:
            return None
        try:
            number = int(text)
        except ValueError:
            raise BadRequest(f"Query parameter {key}={text!r}: give a whole number.") from None
        if abs(number) > LARGEST:
            raise BadRequest(f"Query parameter {key}={text}: give a number of at most {LARGEST}.")
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer that differs from the route's usual one."""

    body: object = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Request:
    """One authenticated request, parsed; handlers take nothing else."""

    ctx: Context
    db: Database
    settings: ApiSettings
    policy: Policy
    base_url: str
    """``http://host:port`` without a trailing slash."""
    path: str
    """As called: ``/v2/<project>/shares/detail``."""
    query: Query
    params: Mapping[str, str]
    """What the path's ``{name}`` parts stand for."""
    body: dict[str, Any]
    """What the route's body schema let through; empty without one."""
    _decisions: dict[tuple[str, str | None], bool] = field(default_factory=dict)

    @property
    def version(self) -> Version:
        """The microversion that the request speaks."""
        return self.ctx.version

    def may(self, rule: str, project_id: str | None = None) -> bool:
        """Whether policy allows this on a thing of this project (None: the caller's own)."""
        key = (rule, project_id)
        if key not in self._decisions:
            target = project_id if project_id is not None else self.ctx.project_id
            self._decisions[key] = self.policy.allows(rule, self.ctx, {"project_id": target})
        return self._decisions[key]

    def require(self, rule: str, project_id: str | None = None) -> None:
        """`abaca.errors.Forbidden` unless policy allows it."""
        if not self.may(rule, project_id):
            self.policy.refuse(rule)

    @property
    def scope(self) -> str | None:
        """The project whose things the caller sees; None for an administrator: all of them.

        Hand it to every query by ID, so that another project's object is simply
        not found.
        """
        return None if self.ctx.is_admin else self.ctx.project_id

    @property
    def list_scope(self) -> str | None:
        """As `scope`, for lists: an administrator asks for more with ``all_tenants=1``.

        With it ``project_id=`` narrows the list again.
        """
        if self.ctx.is_admin and self.query.boolean("all_tenants"):
            return self.query.get("project_id")
        return self.ctx.project_id
