"""Metadata of shares: keys and values of the user's, some for administrators only."""

from __future__ import annotations

from abaca.api.metadata import Metadata
from abaca.api.policy import ADMIN, MEMBER, READER, Rule
from abaca.api.request import Request
from abaca.share import shares
from abaca.share.lookup import visible_share
from abaca.share.metadata import Guard

CLOSED = "share:update_admin_only_metadata"


def guard(request: Request) -> Guard:
    """Which keys of a share's the caller may not set."""
    return Guard(keys=request.settings.admin_only_metadata, passes=request.may(CLOSED))


_SEE, _SET = "share:get_share_metadata", "share:update_share_metadata"
_UNSET = "share:delete_share_metadata"
RULES = (
    Rule(_SEE, READER, "Show metadata of a share."),
    Rule(_SET, MEMBER, "Set metadata of a share."),
    Rule(_UNSET, MEMBER, "Unset metadata of a share."),
    Rule(CLOSED, ADMIN, "Set and unset the metadata named by admin_only_metadata."),
)
ROUTES = Metadata(
    path="/shares/{share_id}",
    read=lambda r, tx: visible_share(tx, r.ctx, r.params["share_id"]).metadata,
    write=lambda r, tx, given, replaced: shares.set_metadata(
        tx, r.ctx, r.params["share_id"], given, replaced=replaced, guard=guard(r)
    ),
    unset=lambda r, tx, key: shares.unset_metadata(
        tx, r.ctx, r.params["share_id"], key, guard=guard(r)
    ),
    see=_SEE,
    change=_SET,
    remove=_UNSET,
).routes()
