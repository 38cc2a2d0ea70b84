"""Share networks: which network a tenant wants its shares on.

Below 2.51 a share network shows its one subnet's fields as its own; from there
it lists its subnets. To see, to use and to manage are separate policies: a
public share network is seen and used by every project, and managed by its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from abaca.api import share_network_subnets as subnets
from abaca.api.bodies import Body, Check, Key, boolean, text
from abaca.api.fields import Always, Field, View
from abaca.api.microversion import MIN, V
from abaca.api.paging import page
from abaca.api.policy import ADMIN, MEMBER, READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.api.share_network_subnets import SEGMENTATION, ShownSubnet
from abaca.api.times import moment
from abaca.context import Version
from abaca.db import share_networks as db
from abaca.db.database import Tx
from abaca.db.share_networks import NetworkQuery
from abaca.errors import BadRequest, Forbidden
from abaca.model.page import Slice
from abaca.model.share_network import ShareNetwork
from abaca.share import public_networks
from abaca.share import share_networks as use_case
from abaca.share.share_network_subnets import SubnetSpec

FLAT_UNTIL = V(2, 50)
NOVA_UNTIL = V(2, 25)
PUBLISH = "share_network:publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A share network with what its subnets turned out to be."""

    network: ShareNetwork
    flat: ShownSubnet
    """The one that speaks for it in old versions."""
    subnets: list[dict[str, Any]]
    """Rendered."""


def _flat(
    field: Field[ShownSubnet], since: Version = MIN, until: Version = FLAT_UNTIL
) -> Field[Shown]:
    get = field.getter
    return Field(field.name, lambda s: get(s.flat), since, until, rule=field.rule)


_GATEWAY: Field[ShownSubnet] = Field("gateway", lambda s: s.found("gateway"), rule=subnets.PROVIDER)
_MTU: Field[ShownSubnet] = Field("mtu", lambda s: s.found("mtu"), rule=subnets.PROVIDER)
_NOVA: Field[ShownSubnet] = Field(
    "nova_net_id", lambda s: s.said("nova_net_id"), rule=subnets.PROVIDER
)
VIEW: View[Shown] = View(
    "share_network",
    "share_networks",
    (
        Field("id", lambda s: s.network.id, in_summary=True),
        Field("name", lambda s: s.network.name, in_summary=True),
        Field("project_id", lambda s: s.network.project_id),
        Field("description", lambda s: s.network.description),
        Field("is_public", lambda s: s.network.is_public),
        Field("created_at", lambda s: s.network.created_at),
        Field("updated_at", lambda s: s.network.updated_at),
        *(_flat(item) for item in subnets.PROVIDER_FIELDS),
        _flat(_NOVA, until=NOVA_UNTIL),
        _flat(_GATEWAY, since=V(2, 18)),
        _flat(_MTU, since=V(2, 20)),
        Field("share_network_subnets", lambda s: s.subnets, since=subnets.SINCE),
        Field("status", lambda s: str(s.network.status), since=V(2, 63)),
        # No backend takes new security services on networks in use.
        Field("security_service_update_support", Always(False), since=V(2, 63)),
        Field("network_allocation_update_support", Always(True), since=V(2, 70)),
    ),
    id=lambda s: s.network.id,
    project=lambda s: s.network.project_id,
)


def _gone(what: str) -> Check:
    def check(_: object) -> str:
        raise ValueError(what)

    return check


_TEXT = (
    Key(name="name", check=text()),
    Key(name="description", check=text()),
    Key(name="is_public", check=boolean(), nullable=False),
)
_NETWORKS = (
    *subnets.SUBNET_KEYS,
    Key(name="nova_net_id", check=text(least=1), until=NOVA_UNTIL),
    Key(
        name="nova_net_id",
        check=_gone("neutron_net_id and neutron_subnet_id; nova_net_id ends with version 2.25"),
        since=V(2, 26),
    ),
)
_ZONE = Key(name="availability_zone", check=text(least=1), since=subnets.SINCE)
CREATE = Body("share_network", (*_TEXT, *_NETWORKS, _ZONE))
UPDATE = Body("share_network", (*_TEXT, *_NETWORKS))
_SUBNET_NAMES = frozenset(
    {"neutron_net_id", "neutron_subnet_id", "nova_net_id", "availability_zone"}
)


def create(request: Request) -> dict[str, Any]:
    """Make a share network."""
    body = request.body
    if body.get("is_public"):
        request.require(PUBLISH)
    with request.db.write() as tx:
        network = use_case.create(
            tx,
            request.ctx,
            name=body.get("name"),
            description=body.get("description"),
            subnet=SubnetSpec(**{k: v for k, v in body.items() if k in _SUBNET_NAMES}),
            limits=request.settings.quota_limits,
            is_public=body.get("is_public", False),
        )
        return VIEW.one(request, _shown(request, tx, [network])[0])


def index(request: Request) -> dict[str, Any]:
    """Share networks in short."""
    return VIEW.many(request, _find(request), summary=True)


def detail(request: Request) -> dict[str, Any]:
    """Share networks with all that they show."""
    return VIEW.many(request, _find(request))


def show(request: Request) -> dict[str, Any]:
    """One share network."""
    with request.db.read() as tx:
        network = use_case.seen(tx, request.ctx, request.params["id"])
        return VIEW.one(request, _shown(request, tx, [network])[0])


def update(request: Request) -> dict[str, Any]:
    """Change a share network."""
    words = {k: v for k, v in request.body.items() if k not in {*_SUBNET_NAMES, "is_public"}}
    subnet = {k: v for k, v in request.body.items() if k in _SUBNET_NAMES}
    with request.db.write() as tx:
        if "is_public" in request.body:
            _publish(request, tx, public=request.body["is_public"])
        network = use_case.update(tx, request.ctx, request.params["id"], words, subnet)
        return VIEW.one(request, _shown(request, tx, [network])[0])


def _publish(request: Request, tx: Tx, *, public: bool) -> None:
    network = use_case.managed(tx, request.ctx, request.params["id"])
    if network.is_public != public:
        request.require(PUBLISH, network.project_id)
    public_networks.set_public(tx, request.ctx, network, public=public)


def delete(request: Request) -> None:
    """Remove a share network on which no share is."""
    with request.db.write() as tx:
        use_case.delete(tx, request.ctx, request.params["id"])


def rendered(request: Request, tx: Tx, network: ShareNetwork) -> dict[str, Any]:
    """The answer that shows this one."""
    return VIEW.one(request, _shown(request, tx, [network])[0])


def _find(request: Request) -> Slice[Shown]:
    wanted = _query(request)
    with request.db.read() as tx:
        found = db.find(tx, wanted, page(request, descending=True))
        items = _shown(request, tx, list(found.items))
    return Slice(items=tuple(items), more=found.more, count=found.count)


def _shown(request: Request, tx: Tx, networks: list[ShareNetwork]) -> list[Shown]:
    by_id = subnets.shown(tx, networks)
    return [
        Shown(
            network=network,
            flat=_speaker(by_id[network.id]),
            subnets=[
                subnets.EMBEDDED.render(request, item)
                for item in by_id[network.id]
                if item.subnet is not None
            ],
        )
        for network in networks
    ]


def _speaker(found: list[ShownSubnet]) -> ShownSubnet:
    """The subnet for every zone, else the first one."""
    everywhere = (s for s in found if s.subnet is not None and s.subnet.availability_zone is None)
    return next(everywhere, found[0])


def _query(request: Request) -> NetworkQuery:
    query = request.query
    parts = request.version >= V(2, 36)
    scope = _project(request)
    return NetworkQuery(
        project_id=scope,
        with_public=scope == request.ctx.project_id,
        is_public=query.boolean("is_public") if "is_public" in query else None,
        name=query.get("name"),
        description=query.get("description"),
        name_part=query.get("name~") if parts else None,
        description_part=query.get("description~") if parts else None,
        created_since=moment(request, "created_since"),
        created_before=moment(request, "created_before"),
        provider=_provider(request),
        security_service_id=query.get("security_service_id"),
    )


def _project(request: Request) -> str | None:
    """Whose share networks: another project's, or all, for administrators only."""
    asked = request.query.get("project_id")
    if asked is not None and asked != request.ctx.project_id:
        if not request.ctx.is_admin:
            raise Forbidden("Only an administrator lists another project's share networks.")
        return asked
    return request.list_scope


def _provider(request: Request) -> Mapping[str, str | int]:
    query = request.query
    names = ["neutron_net_id", "neutron_subnet_id", "cidr"]
    if request.version <= NOVA_UNTIL:
        names.append("nova_net_id")
    found: dict[str, str | int] = {name: query[name] for name in names if name in query}
    for name in ("network_type", "segmentation_id"):
        if name in query:
            request.require(SEGMENTATION)
    if "network_type" in query:
        found["network_type"] = query["network_type"]
    for name in ("segmentation_id", "ip_version"):
        number = query.integer(name)
        if number is not None:
            found[name] = number
    if found.get("ip_version", 4) not in {4, 6}:
        raise BadRequest(f"ip_version={found['ip_version']}: give 4 or 6.")
    return found


RULES = (
    Rule("share_network:see", READER, "See the project's share networks and the public ones."),
    Rule("share_network:use", MEMBER, "Create shares on a share network that one may see."),
    Rule("share_network:manage", MEMBER, "Make, change and delete the project's share networks."),
    Rule(PUBLISH, ADMIN, "Make a share network public when it is made or later, or take it back."),
)

_ONE = "/share-networks/{id}"
ROUTES = (
    Route("POST", "/share-networks", create, "share_network:manage", body=CREATE),
    Route("GET", "/share-networks", index, "share_network:see"),
    Route("GET", "/share-networks/detail", detail, "share_network:see"),
    Route("GET", _ONE, show, "share_network:see"),
    Route("PUT", _ONE, update, "share_network:manage", body=UPDATE),
    Route("DELETE", _ONE, delete, "share_network:manage", 202),
)
