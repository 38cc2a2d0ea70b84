"""Access rules: as actions of a share, and from 2.45 listed and shown as things of their own."""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, string_map, text
from abaca.api.fields import Always, Field, View
from abaca.api.lists import literal_filter
from abaca.api.microversion import V
from abaca.api.policy import MEMBER, READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Action, Route, action
from abaca.errors import BadRequest
from abaca.model.access_rule import AccessRule
from abaca.model.page import Slice
from abaca.share import access_rules
from abaca.states import AccessState

OWN_SINCE = V(2, 45)
_OLD_STATES = {
    AccessState.QUEUED_TO_APPLY: "new",
    AccessState.APPLYING: "new",
    AccessState.QUEUED_TO_DENY: "deleting",
    AccessState.DENYING: "deleting",
}


def _old_state(rule: AccessRule) -> str:
    """Before 2.28 a rule in motion is new or deleting."""
    return _OLD_STATES.get(rule.state, str(rule.state))


VIEW: View[AccessRule] = View(
    "access",
    "access_list",
    (
        Field("id", lambda rule: rule.id, in_summary=True),
        Field("share_id", lambda rule: rule.share_id),
        Field("access_type", lambda rule: rule.access_type, in_summary=True),
        Field("access_to", lambda rule: rule.access_to, in_summary=True),
        Field("access_level", lambda rule: rule.access_level, in_summary=True),
        Field("state", _old_state, until=V(2, 27), in_summary=True),
        Field("state", lambda rule: str(rule.state), since=V(2, 28), in_summary=True),
        # Only CephX has keys.
        Field("access_key", Always(None), since=V(2, 21), in_summary=True),
        Field("created_at", lambda rule: rule.created_at, since=V(2, 33), in_summary=True),
        Field("updated_at", lambda rule: rule.updated_at, since=V(2, 33), in_summary=True),
        Field("metadata", lambda rule: dict(rule.metadata), since=OWN_SINCE, in_summary=True),
    ),
)


def allow(request: Request) -> dict[str, Any]:
    """Let somebody mount the share."""
    body = request.body
    with request.db.write() as tx:
        rule = access_rules.allow(
            tx,
            request.ctx,
            request.params["share_id"],
            access_type=body["access_type"],
            access_to=body["access_to"],
            access_level=body.get("access_level"),
            metadata=body.get("metadata") or {},
        )
        return VIEW.one(request, rule)


def deny(request: Request) -> None:
    """Take a rule away."""
    with request.db.write() as tx:
        access_rules.deny(tx, request.ctx, request.params["share_id"], request.body["access_id"])


def old_index(request: Request) -> dict[str, Any]:
    """The rules of the share that the path names."""
    return _index(request, request.params["share_id"])


def index(request: Request) -> dict[str, Any]:
    """The rules of the share that the query names."""
    share_id = request.query.get("share_id")
    if not share_id:
        raise BadRequest("Give share_id in the query: the share whose access rules to list.")
    return _index(request, share_id)


def _index(request: Request, share_id: str) -> dict[str, Any]:
    with request.db.read() as tx:
        share, rules = access_rules.of_share(tx, request.ctx, share_id)
    request.require("share:access_get_all", share.project_id)
    wanted = [rule for rule in rules if _fits(request, rule)]
    found = Slice(items=tuple(wanted), more=False, count=None)
    return VIEW.many(request, found, summary=True)


def _fits(request: Request, rule: AccessRule) -> bool:
    """The filters of the newer generation: metadata and the rule's own values."""
    if request.version < OWN_SINCE:
        return True
    asked = {name: request.query.get(name) for name in ("access_type", "access_to", "access_level")}
    metadata = literal_filter(request, "metadata")
    return all(value in {None, getattr(rule, name)} for name, value in asked.items()) and (
        metadata.items() <= rule.metadata.items()
    )


def show(request: Request) -> dict[str, Any]:
    """One rule."""
    with request.db.read() as tx:
        share, rule = access_rules.get(tx, request.ctx, request.params["access_id"])
    request.require("share:access_get", share.project_id)
    return VIEW.one(request, rule)


def set_metadata(request: Request) -> dict[str, Any]:
    """Set keys of a rule's metadata; all that it then has."""
    with request.db.write() as tx:
        metadata = access_rules.set_metadata(
            tx, request.ctx, request.params["access_id"], request.body["metadata"]
        )
    return {"metadata": metadata}


def unset_metadata(request: Request) -> None:
    """Unset one key of a rule's metadata."""
    with request.db.write() as tx:
        access_rules.unset_metadata(
            tx, request.ctx, request.params["access_id"], request.params["key"]
        )


ALLOW = Body(
    None,
    (
        Key(name="access_type", check=text(least=1), required=True),
        Key(name="access_to", check=text(least=1), required=True),
        Key(name="access_level", check=text()),
        Key(name="metadata", check=string_map(), since=OWN_SINCE),
    ),
)
DENY = Body(None, (Key(name="access_id", check=text(least=1), required=True),))
METADATA = Body(None, (Key(name="metadata", check=string_map(), required=True),))

_ALL = "share:access_get_all"
ACTIONS = (
    *action("allow_access", allow, "share:allow_access", status=200, body=ALLOW),
    *action("deny_access", deny, "share:deny_access", body=DENY),
    Action("os-access_list", old_index, _ALL, 200, until=V(2, 6)),
    Action("access_list", old_index, _ALL, 200, since=V(2, 7), until=V(2, 44)),
)

RULES = (
    Rule("share:allow_access", MEMBER, "Let somebody mount a share."),
    Rule("share:deny_access", MEMBER, "Take an access rule away."),
    Rule("share:access_get", READER, "Show an access rule."),
    Rule("share:access_get_all", READER, "List the access rules of a share."),
    Rule("share_access_metadata:update", MEMBER, "Set metadata of an access rule."),
    Rule("share_access_metadata:delete", MEMBER, "Unset metadata of an access rule."),
)

_ONE = "/share-access-rules/{access_id}"
ROUTES = (
    Route("GET", "/share-access-rules", index, _ALL, since=OWN_SINCE),
    Route("GET", _ONE, show, "share:access_get", since=OWN_SINCE),
    Route(
        "PUT",
        f"{_ONE}/metadata",
        set_metadata,
        "share_access_metadata:update",
        body=METADATA,
        since=OWN_SINCE,
    ),
    Route(
        "DELETE",
        f"{_ONE}/metadata/{{key}}",
        unset_metadata,
        "share_access_metadata:delete",
        since=OWN_SINCE,
    ),
)
