"""Metadata of share network subnets, since 2.78."""

from __future__ import annotations

from abaca.api.metadata import Metadata
from abaca.api.microversion import V
from abaca.api.policy import MEMBER, READER, Rule
from abaca.api.request import Request
from abaca.db.database import Tx
from abaca.model.share_network import ShareNetwork
from abaca.share import share_network_subnets as subnets
from abaca.share.share_networks import managed, seen


def _managed(request: Request, tx: Tx) -> ShareNetwork:
    return managed(tx, request.ctx, request.params["network_id"])


_SEE, _SET = "share_network_subnet:get_metadata", "share_network_subnet:update_metadata"
_UNSET = "share_network_subnet:delete_metadata"
RULES = (
    Rule(_SEE, READER, "Show metadata of a share network subnet."),
    Rule(_SET, MEMBER, "Set metadata of a share network subnet."),
    Rule(_UNSET, MEMBER, "Unset metadata of a share network subnet."),
)
ROUTES = Metadata(
    path="/share-networks/{network_id}/subnets/{id}",
    read=lambda r, tx: (
        subnets.subnet_of(seen(tx, r.ctx, r.params["network_id"]), r.params["id"]).metadata
    ),
    write=lambda r, tx, given, replaced: subnets.set_metadata(
        tx, _managed(r, tx), r.params["id"], given, replaced=replaced
    ),
    unset=lambda r, tx, key: subnets.unset_metadata(tx, _managed(r, tx), r.params["id"], key),
    see=_SEE,
    change=_SET,
    remove=_UNSET,
    since=V(2, 78),
    removed=202,
).routes()
