"""The default share network: which one applies and why, and designating one.

An addition of Abaca's, at every version. It is used by requests for shares that
name no share network, where the share type needs one.
"""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, text
from abaca.api.policy import ADMIN, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.db.database import Tx
from abaca.scheduler.driver_mode import needs_network
from abaca.share import public_networks
from abaca.share.default_network import default_network, sources
from abaca.share.share_types import resolve


def show(request: Request) -> dict[str, Any]:
    """Which default applies to requests of a share type (``?share_type=``), and why."""
    with request.db.read() as tx:
        return _shown(request, tx)


def put(request: Request) -> dict[str, Any]:
    """Designate a public share network, instead of any other."""
    with request.db.write() as tx:
        public_networks.designate(tx, request.ctx, request.body["share_network_id"])
        return _shown(request, tx)


def delete(request: Request) -> None:
    """Designate none."""
    with request.db.write() as tx:
        public_networks.undesignate(tx)


def _shown(request: Request, tx: Tx) -> dict[str, Any]:
    asked = request.query.get("share_type")
    share_type = resolve(tx, request.ctx, asked, None) if asked else None
    configured = request.settings.default_share_network
    found = default_network(tx, share_type, configured)
    network = found.network if found else None
    return {
        "default_share_network": {
            "share_network_id": network.id if network else None,
            "name": network.name if network else None,
            "source": str(found.said.source) if found else None,
            "usable": network is not None,
            "fault": f"{found.said.where} {found.fault}" if found and found.fault else None,
            "needed": needs_network(share_type.extra_specs) if share_type else None,
            "sources": [
                {"source": str(said.source), "value": said.value}
                for said in sources(tx, share_type, configured)
            ],
        }
    }


PUT = Body(
    "default_share_network",
    (Key(name="share_network_id", check=text(least=1), required=True, nullable=False),),
    strict=True,
)
RULES = (
    Rule("share_network:show_default", ADMIN, "See which default share network applies, and why."),
    Rule("share_network:set_default", ADMIN, "Designate the default share network, or none."),
)

_PATH = "/share-networks/default"
ROUTES = (
    Route("GET", _PATH, show, "share_network:show_default"),
    Route("PUT", _PATH, put, "share_network:set_default", body=PUT),
    Route("DELETE", _PATH, delete, "share_network:set_default", 204),
)
