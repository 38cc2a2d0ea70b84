"""Metadata below the path of whatever has some: the same six routes for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from abaca.api.bodies import Body, Key, string_map
from abaca.api.microversion import MIN
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.context import Version
from abaca.db.database import Tx
from abaca.errors import BadRequest, NotFound

METADATA = Body(None, (Key(name="metadata", check=string_map(), required=True),))
META = Body(None, (Key(name="meta", check=string_map(), required=True),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Where the metadata of one noun are, and the use cases behind the routes."""

    path: str
    """Of one thing: ``/shares/{share_id}``."""
    read: Callable[[Request, Tx], Mapping[str, str]]
    write: Callable[[Request, Tx, Mapping[str, str], bool], Mapping[str, str]]
    """Set these keys, with True no others; all that there is then."""
    unset: Callable[[Request, Tx, str], None]
    see: str
    """Policy rules."""
    change: str
    remove: str
    since: Version = MIN
    removed: int = 200
    """Status of an answer to DELETE."""

    def routes(self) -> tuple[Route, ...]:
        """The six."""
        every, one, since = f"{self.path}/metadata", f"{self.path}/metadata/{{key}}", self.since
        return (
            Route("GET", every, self._index, self.see, since=since),
            Route("POST", every, self._put, self.change, body=METADATA, since=since),
            Route("PUT", every, self._replace, self.change, body=METADATA, since=since),
            Route("GET", one, self._show, self.see, since=since),
            Route("PUT", one, self._put_one, self.change, body=META, since=since),
            Route("DELETE", one, self._unset, self.remove, self.removed, since=since),
        )

    def _index(self, request: Request) -> dict[str, Any]:
        with request.db.read() as tx:
            return {"metadata": dict(self.read(request, tx))}

    def _show(self, request: Request) -> dict[str, Any]:
        key = request.params["key"]
        with request.db.read() as tx:
            found = self.read(request, tx)
        if key not in found:
            raise NotFound(f"There is no metadata {key!r}.")
        return {"meta": {key: found[key]}}

    def _put(self, request: Request) -> dict[str, Any]:
        return self._set(request, request.body["metadata"], replaced=False)

    def _replace(self, request: Request) -> dict[str, Any]:
        return self._set(request, request.body["metadata"], replaced=True)

    def _put_one(self, request: Request) -> dict[str, Any]:
        given = request.body["meta"]
        if set(given) != {request.params["key"]}:
            raise BadRequest(
                'Give a body with exactly the key of the path: {"meta": {"key": "..."}}.'
            )
        self._set(request, given, replaced=False)
        return {"meta": given}

    def _set(self, request: Request, given: Mapping[str, str], *, replaced: bool) -> dict[str, Any]:
        with request.db.write() as tx:
            return {"metadata": dict(self.write(request, tx, given, replaced))}

    def _unset(self, request: Request) -> None:
        with request.db.write() as tx:
            self.unset(request, tx, request.params["key"])
