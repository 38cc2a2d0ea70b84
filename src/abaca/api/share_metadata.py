"""Metadata of shares: keys and values of the user's."""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, string_map
from abaca.api.policy import MEMBER, READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.db.database import Tx
from abaca.errors import BadRequest, NotFound
from abaca.share import shares
from abaca.share.lookup import visible_share


def index(request: Request) -> dict[str, Any]:
    """All of a share's metadata."""
    with request.db.read() as tx:
        return {"metadata": _of(request, tx)}


def show(request: Request) -> dict[str, Any]:
    """One key."""
    key = request.params["key"]
    with request.db.read() as tx:
        metadata = _of(request, tx)
    if key not in metadata:
        raise NotFound(f"Share {request.params['share_id']} has no metadata {key!r}.")
    return {"meta": {key: metadata[key]}}


def put(request: Request) -> dict[str, Any]:
    """Set these keys; others stay."""
    return _set(request, request.body["metadata"])


def replace(request: Request) -> dict[str, Any]:
    """These keys and no others."""
    return _set(request, request.body["metadata"], replaced=True)


def put_one(request: Request) -> dict[str, Any]:
    """Set the key that the path names; it is the only key of the body."""
    given = request.body["meta"]
    if set(given) != {request.params["key"]}:
        raise BadRequest('Give a body with exactly the key of the path: {"meta": {"key": "..."}}.')
    _set(request, given)
    return {"meta": given}


def unset(request: Request) -> None:
    """Unset one key."""
    with request.db.write() as tx:
        shares.unset_metadata(tx, request.ctx, request.params["share_id"], request.params["key"])


def _of(request: Request, tx: Tx) -> dict[str, str]:
    return dict(visible_share(tx, request.ctx, request.params["share_id"]).metadata)


def _set(request: Request, metadata: dict[str, str], *, replaced: bool = False) -> dict[str, Any]:
    with request.db.write() as tx:
        now = shares.set_metadata(
            tx, request.ctx, request.params["share_id"], metadata, replaced=replaced
        )
    return {"metadata": dict(now)}


METADATA = Body(None, (Key(name="metadata", check=string_map(), required=True),))
META = Body(None, (Key(name="meta", check=string_map(), required=True),))

RULES = (
    Rule("share:get_share_metadata", READER, "Show metadata of a share."),
    Rule("share:update_share_metadata", MEMBER, "Set metadata of a share."),
    Rule("share:delete_share_metadata", MEMBER, "Unset metadata of a share."),
)

_GET, _SET = "share:get_share_metadata", "share:update_share_metadata"
_ALL = "/shares/{share_id}/metadata"
_ONE = f"{_ALL}/{{key}}"
ROUTES = (
    Route("GET", _ALL, index, _GET),
    Route("POST", _ALL, put, _SET, body=METADATA),
    Route("PUT", _ALL, replace, _SET, body=METADATA),
    Route("GET", _ONE, show, _GET),
    Route("PUT", _ONE, put_one, _SET, body=META),
    Route("DELETE", _ONE, unset, "share:delete_share_metadata"),
)
