"""Share network subnets, of an availability zone or for all; since 2.51 on their own.

A subnet shows what its network turned out to be where exactly one network
section has looked at it. The network's project sees which networks it names and
their addresses; segmentation is for administrators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from abaca.api.bodies import Body, Key, string_map, text
from abaca.api.fields import Field, View
from abaca.api.microversion import V
from abaca.api.policy import ADMIN, READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.db import share_network_subnets as db
from abaca.db.database import Tx
from abaca.model.page import Slice
from abaca.model.share_network import ShareNetwork, ShareNetworkSubnet
from abaca.network.plugin import Segment, Subnet
from abaca.share import share_network_subnets as subnets
from abaca.share import share_networks as use_case
from abaca.share.share_network_subnets import SubnetSpec

SINCE = V(2, 51)
METADATA_SINCE = V(2, 78)
PROVIDER = "share_network:provider_details"
SEGMENTATION = "share_network:segmentation"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSubnet:
    """A subnet with what it turned out to be."""

    network: ShareNetwork
    subnet: ShareNetworkSubnet | None
    """None for a share network without subnets."""
    segment: Segment | None

    @property
    def first(self) -> Subnet | None:
        """The segment's first IP subnet."""
        return self.segment.subnets[0] if self.segment and self.segment.subnets else None

    def said(self, name: str) -> str | None:
        """What the subnet's row says."""
        return None if self.subnet is None else getattr(self.subnet, name)

    def found(self, name: str) -> Any:  # noqa: ANN401 - by name
        """What the segment says, spelled for JSON."""
        if name in {"network_type", "segmentation_id", "mtu"}:
            value = None if self.segment is None else getattr(self.segment, name)
        elif name == "ip_version":
            value = None if self.first is None else self.first.cidr.version
        else:
            value = None if self.first is None else getattr(self.first, name)
        return value if value is None or isinstance(value, int) else str(value)


PROVIDER_FIELDS: tuple[Field[ShownSubnet], ...] = (
    Field("neutron_net_id", lambda s: s.said("neutron_net_id"), rule=PROVIDER),
    Field("neutron_subnet_id", lambda s: s.said("neutron_subnet_id"), rule=PROVIDER),
    Field("network_type", lambda s: s.found("network_type"), rule=SEGMENTATION),
    Field("segmentation_id", lambda s: s.found("segmentation_id"), rule=SEGMENTATION),
    Field("cidr", lambda s: s.found("cidr"), rule=PROVIDER),
    Field("ip_version", lambda s: s.found("ip_version"), rule=PROVIDER),
)

_EMBEDDED: tuple[Field[ShownSubnet], ...] = (
    Field("id", lambda s: s.said("id")),
    Field("availability_zone", lambda s: s.said("availability_zone")),
    Field("created_at", lambda s: s.subnet and s.subnet.created_at),
    Field("updated_at", lambda s: s.subnet and s.subnet.updated_at),
    *PROVIDER_FIELDS,
    Field("gateway", lambda s: s.found("gateway"), rule=PROVIDER),
    Field("mtu", lambda s: s.found("mtu"), rule=PROVIDER),
    Field("metadata", lambda s: dict(s.subnet.metadata) if s.subnet else {}, since=METADATA_SINCE),
)
EMBEDDED: View[ShownSubnet] = View(
    "share_network_subnet",
    "share_network_subnets",
    _EMBEDDED,
    id=lambda s: s.subnet.id if s.subnet else "",
    project=lambda s: s.network.project_id,
)
VIEW: View[ShownSubnet] = View(
    "share_network_subnet",
    "share_network_subnets",
    (
        *_EMBEDDED,
        Field("share_network_id", lambda s: s.network.id),
        Field("share_network_name", lambda s: s.network.name),
    ),
    id=EMBEDDED.id,
    project=EMBEDDED.project,
)

SUBNET_KEYS = (
    Key(name="neutron_net_id", check=text(least=1)),
    Key(name="neutron_subnet_id", check=text(least=1)),
)
CREATE = Body(
    "share-network-subnet",
    (
        *SUBNET_KEYS,
        Key(name="availability_zone", check=text(least=1)),
        Key(name="metadata", check=string_map(), since=METADATA_SINCE),
    ),
    aliases=("share_network_subnet",),
)


def shown(tx: Tx, networks: Sequence[ShareNetwork]) -> dict[str, list[ShownSubnet]]:
    """The subnets of each share network, by its ID; one statement for all of them."""
    keys = [subnet.id for network in networks for subnet in network.subnets]
    segments = db.segments_of(tx, keys + [item.id for item in networks if not item.subnets])
    return {
        network.id: [
            ShownSubnet(
                network=network,
                subnet=subnet,
                segment=_only(segments.get(subnet.id if subnet else network.id, ())),
            )
            for subnet in (network.subnets or (None,))
        ]
        for network in networks
    }


def _only(found: Sequence[Segment]) -> Segment | None:
    return found[0] if len(set(found)) == 1 else None


def index(request: Request) -> dict[str, Any]:
    """The subnets of a share network."""
    with request.db.read() as tx:
        network = use_case.seen(tx, request.ctx, request.params["network_id"])
        items = shown(tx, [network])[network.id] if network.subnets else []
    return VIEW.many(request, Slice(items=tuple(items), more=False, count=None))


def show(request: Request) -> dict[str, Any]:
    """One subnet of a share network."""
    with request.db.read() as tx:
        network = use_case.seen(tx, request.ctx, request.params["network_id"])
        return _one(request, tx, network, request.params["id"])


def create(request: Request) -> dict[str, Any]:
    """Add a subnet."""
    with request.db.write() as tx:
        network_id = request.params["network_id"]
        network = use_case.managed(tx, request.ctx, network_id)
        subnet = subnets.add(tx, request.ctx, network, SubnetSpec(**request.body))
        network = use_case.seen(tx, request.ctx, network_id)
        return _one(request, tx, network, subnet.id)


def delete(request: Request) -> None:
    """Remove a subnet, unless shares are exported on it alone."""
    with request.db.write() as tx:
        params = request.params
        network = use_case.managed(tx, request.ctx, params["network_id"])
        subnets.remove(tx, request.ctx, network, params["id"])


def _one(request: Request, tx: Tx, network: ShareNetwork, subnet_id: str) -> dict[str, Any]:
    subnet = subnets.subnet_of(network, subnet_id)
    found = next(item for item in shown(tx, [network])[network.id] if item.subnet == subnet)
    return VIEW.one(request, found)


RULES = (
    Rule(PROVIDER, READER, "See which networks a share network names, and their addresses."),
    Rule(SEGMENTATION, ADMIN, "See and filter by segmentation type and ID of share networks."),
)

_PATH = "/share-networks/{network_id}/subnets"
ROUTES = (
    Route("GET", _PATH, index, "share_network:see", since=SINCE),
    Route("GET", f"{_PATH}/{{id}}", show, "share_network:see", since=SINCE),
    Route("POST", _PATH, create, "share_network:manage", body=CREATE, since=SINCE),
    Route("DELETE", f"{_PATH}/{{id}}", delete, "share_network:manage", 202, since=SINCE),
)
