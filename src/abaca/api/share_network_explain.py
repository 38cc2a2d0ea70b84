"""Explains where a share would go, and why not elsewhere; nothing is made.

An addition of Abaca's, at every version. Which backend is which host is for
administrators, as elsewhere, and what the type asks by extra specs that tenants
do not see; the reasons are for everybody.
"""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, integer, text
from abaca.api.policy import READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.api.shares import SEE_HOST, SEE_SPECS
from abaca.modes import DriverMode
from abaca.share.choices import Defaults
from abaca.share.create import NewShare
from abaca.share.explain import Considered, Explanation
from abaca.share.explain import explain as explain_request

RULE = "share_network:explain"


def explain(request: Request) -> dict[str, Any]:
    """Which backends would take such a share, and why each other would not."""
    body = {key: value for key, value in request.body.items() if value is not None}
    wanted = NewShare(share_proto=body.pop("share_proto", "NFS"), **body)
    if wanted.share_network_id is not None:
        request.require("share_network:see")
    settings = request.settings
    defaults = Defaults(
        share_type=settings.default_share_type, share_network=settings.default_share_network
    )
    with request.db.read() as tx:
        found = explain_request(tx, request.ctx, wanted, defaults)
    return {"explanation": _shown(request, wanted, found)}


def _shown(request: Request, wanted: NewShare, found: Explanation) -> dict[str, Any]:
    return {
        "share_type": found.share_type.id,
        "share_type_name": found.share_type.name,
        "share_proto": wanted.share_proto.upper(),
        "size": found.size,
        "availability_zone": found.zone,
        "share_network_id": wanted.share_network_id,
        "effective_share_network_id": found.network.id if found.network else None,
        "default_source": str(found.default.said.source) if found.default else None,
        "refused": found.refused,
        "message": found.message,
        "backends": [_backend(request, item) for item in found.considered],
    }


def _backend(request: Request, item: Considered) -> dict[str, Any]:
    pool, hosts = item.pool, request.may(SEE_HOST)
    reason = item.refusal and (item.refusal.whole if request.may(SEE_SPECS) else item.refusal.one)
    return {
        "host": pool.full_name if hosts else None,
        "backend": pool.backend if hosts else None,
        "availability_zone": pool.availability_zone,
        "driver_mode": str(pool.driver_mode),
        "uses_share_network": pool.driver_mode is not DriverMode.SINGLE,
        "fits": item.refusal is None,
        "reason": reason,
    }


BODY = Body(
    "explain",
    (
        Key(name="share_type", check=text(least=1)),
        Key(name="size", check=integer(least=1, most=2**31 - 1), required=True, nullable=False),
        Key(name="share_proto", check=text(least=1, most=16)),
        Key(name="share_network_id", check=text(least=1)),
        Key(name="availability_zone", check=text(least=1)),
    ),
    strict=True,
)
RULES = (
    Rule(RULE, READER, "Ask which backends would take a share, and why each other would not."),
)
ROUTES = (Route("POST", "/share-networks/explain", explain, RULE, body=BODY),)
