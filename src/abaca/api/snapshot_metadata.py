"""Metadata of snapshots, since 2.73."""

from __future__ import annotations

from abaca.api.metadata import Metadata
from abaca.api.microversion import V
from abaca.api.policy import MEMBER, READER, Rule
from abaca.share import snapshots
from abaca.share.lookup import own_snapshot

_SEE, _SET = "share_snapshot:get_metadata", "share_snapshot:update_metadata"
_UNSET = "share_snapshot:delete_metadata"
RULES = (
    Rule(_SEE, READER, "Show metadata of a snapshot."),
    Rule(_SET, MEMBER, "Set metadata of a snapshot."),
    Rule(_UNSET, MEMBER, "Unset metadata of a snapshot."),
)
ROUTES = Metadata(
    path="/snapshots/{snapshot_id}",
    read=lambda r, tx: own_snapshot(tx, r.ctx, r.params["snapshot_id"]).metadata,
    write=lambda r, tx, given, replaced: snapshots.set_metadata(
        tx, r.ctx, r.params["snapshot_id"], given, replaced=replaced
    ),
    unset=lambda r, tx, key: snapshots.unset_metadata(tx, r.ctx, r.params["snapshot_id"], key),
    see=_SEE,
    change=_SET,
    remove=_UNSET,
    since=V(2, 73),
).routes()
