"""What the API does with the subnets of share networks, in use or not.

A share server has an interface on every subnet of its zone; while the zone has
none of its own, on those for every zone. A subnet that joins or leaves such a
group makes its servers gain or lose an interface. Servers that would have to
leave all that they have are in the way, if shares are on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from abaca.context import Context, Version
from abaca.db import availability_zones, share_network_subnets, share_servers
from abaca.db.database import Tx
from abaca.db.tables import new_id, now
from abaca.errors import BadRequest, Conflict, NotFound
from abaca.model.share_network import ShareNetwork, ShareNetworkSubnet
from abaca.model.share_server import ShareServer
from abaca.share.metadata import merged, without
from abaca.share.share_servers import look_again, remove_unused

SEVERAL_SINCE = Version(2, 70)
_NAMED = 3
"""Shares that a refusal names at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetSpec:
    """What a request says of a subnet; opaque here, but for the zone."""

    neutron_net_id: str | None = None
    neutron_subnet_id: str | None = None
    nova_net_id: str | None = None
    availability_zone: str | None = None
    metadata: Mapping[str, str] | None = None

    @property
    def says_something(self) -> bool:
        """False if a share network with it alone needs no subnet at all."""
        return any((self.neutron_net_id, self.nova_net_id, self.availability_zone))

    def check(self) -> None:
        """`BadRequest` if it names a network by halves, or twice."""
        if bool(self.neutron_net_id) != bool(self.neutron_subnet_id):
            raise BadRequest("Give neutron_net_id and neutron_subnet_id, both or neither.")
        if self.neutron_net_id and self.nova_net_id:
            raise BadRequest("Give neutron_net_id or nova_net_id, not both.")


def new_subnet(tx: Tx, network_id: str, spec: SubnetSpec) -> ShareNetworkSubnet:
    """The subnet that a request asks for, not written yet."""
    spec.check()
    zone = None
    if spec.availability_zone is not None:
        found = availability_zones.find(tx, spec.availability_zone)
        if found is None:
            raise BadRequest(f"There is no availability zone {spec.availability_zone}.")
        zone = found.name
    return ShareNetworkSubnet(
        id=new_id(),
        share_network_id=network_id,
        availability_zone=zone,
        neutron_net_id=spec.neutron_net_id,
        neutron_subnet_id=spec.neutron_subnet_id,
        nova_net_id=spec.nova_net_id,
        metadata=merged({}, spec.metadata or {}, replaced=True),
        created_at=now(),
        updated_at=None,
    )


def add(tx: Tx, ctx: Context, network: ShareNetwork, spec: SubnetSpec) -> ShareNetworkSubnet:
    """Add a subnet for a zone (None: for every zone that has none of its own).

    ``network`` is one that the caller manages, locked. Before 2.70 there is one
    per zone.
    """
    subnet = new_subnet(tx, network.id, spec)
    _check_new(ctx, network, subnet)
    after = replace(network, subnets=(*network.subnets, subnet))
    _change(tx, ctx, network, after, f"Share network {network.id}")
    share_network_subnets.add(tx, subnet)
    return subnet


def check_add(tx: Tx, ctx: Context, network: ShareNetwork, spec: SubnetSpec) -> dict[str, bool]:
    """Whether each backend with share servers there could take the subnet, by ``host@backend``.

    `Conflict` if none could, and without any. Nothing is done.
    """
    subnet = new_subnet(tx, network.id, spec)
    _check_new(ctx, network, subnet)
    after = replace(network, subnets=(*network.subnets, subnet))
    stuck = {server.id for server in _stuck(tx, network, after) if _shares(tx, server)}
    hosts: dict[str, bool] = {}
    for server in share_servers.of_network(tx, network.id):
        hosts[server.host] = hosts.get(server.host, True) and server.id not in stuck
    return hosts


def remove(tx: Tx, ctx: Context, network: ShareNetwork, subnet_id: str) -> None:
    """Remove a subnet; share servers with another one there lose an interface.

    `Conflict` if shares are exported on it alone.
    """
    gone = subnet_of(network, subnet_id)
    after = replace(network, subnets=tuple(item for item in network.subnets if item != gone))
    _change(tx, ctx, network, after, f"Share network subnet {subnet_id}")
    share_network_subnets.remove(tx, subnet_id)


def subnet_of(network: ShareNetwork, subnet_id: str) -> ShareNetworkSubnet:
    """The network's subnet of this ID, or `NotFound`."""
    for subnet in network.subnets:
        if subnet.id == subnet_id:
            return subnet
    raise NotFound(f"Share network subnet {subnet_id} could not be found.")


def set_metadata(
    tx: Tx, network: ShareNetwork, subnet_id: str, given: Mapping[str, str], *, replaced: bool
) -> Mapping[str, str]:
    """Set these keys, others stay (``replaced``: go); all that the subnet then has."""
    subnet = subnet_of(network, subnet_id)
    wanted = merged(subnet.metadata, given, replaced=replaced)
    share_network_subnets.change(tx, subnet_id, metadata=wanted)
    return wanted


def unset_metadata(tx: Tx, network: ShareNetwork, subnet_id: str, key: str) -> None:
    """Unset one key; `NotFound` if the subnet has none of that name."""
    subnet = subnet_of(network, subnet_id)
    left = without(subnet.metadata, key, f"Share network subnet {subnet_id}")
    share_network_subnets.change(tx, subnet_id, metadata=left)


def _check_new(ctx: Context, network: ShareNetwork, subnet: ShareNetworkSubnet) -> None:
    there = [s for s in network.subnets if s.availability_zone == subnet.availability_zone]
    zone = subnet.availability_zone or "every zone"
    if there and ctx.version < SEVERAL_SINCE:
        raise Conflict(
            f"Share network {network.id} has a subnet for {zone} already; "
            f"several need API version {SEVERAL_SINCE}."
        )
    if any(_names(item) == _names(subnet) for item in there):
        raise Conflict(
            f"Share network {network.id} has such a subnet for {zone} already: "
            "another one has to name another network."
        )


def _names(subnet: ShareNetworkSubnet) -> tuple[str | None, ...]:
    return subnet.neutron_net_id, subnet.neutron_subnet_id, subnet.nova_net_id


def _change(tx: Tx, ctx: Context, now_: ShareNetwork, after: ShareNetwork, what: str) -> None:
    """Have the servers follow; idle ones that can't go along are removed. `Conflict`: see `_stuck`.

    The manager compares what a server has with what its network says, so it is
    enough that it looks again.
    """
    stuck = _stuck(tx, now_, after)
    shares = [share for server in stuck for share in _shares(tx, server)]
    if shares:
        busy = sum(bool(_shares(tx, server)) for server in stuck)
        raise Conflict(_refusal(ctx, what, busy, shares))
    kept = [server.id for server in stuck if not server.is_auto_deletable]
    if kept:
        raise Conflict(f"{what} is used by share server(s) {', '.join(kept)}: remove them first.")
    if not all(remove_unused(tx, ctx, server) for server in stuck):
        raise Conflict(f"{what} is used by a share server: try again.")
    gone = {server.id for server in stuck}
    for server in share_servers.of_network(tx, now_.id):
        zone = server.availability_zone
        moved = now_.subnets_in(zone) != after.subnets_in(zone)
        if moved and server.id not in gone and server.slot is not None:
            look_again(tx, ctx, server)


def _stuck(tx: Tx, now_: ShareNetwork, after: ShareNetwork) -> list[ShareServer]:
    """Servers of which no subnet would stay: they would have to move, and can't.

    A server on a flat network of its backend's has an interface on none of them.
    """
    found = []
    for server in share_servers.of_network(tx, now_.id):
        before = {item.id for item in now_.subnets_in(server.availability_zone)} or {now_.id}
        then = {item.id for item in after.subnets_in(server.availability_zone)} or {now_.id}
        if before & then:
            continue
        on_it = share_network_subnets.servers_on(tx, now_.id, sorted(before))
        if server.id in on_it:
            found.append(server)
    return found


def _shares(tx: Tx, server: ShareServer) -> list[tuple[str, str]]:
    return share_servers.shares_on(tx, server.id)


def _refusal(ctx: Context, what: str, servers: int, shares: Sequence[tuple[str, str]]) -> str:
    """Names the caller's own shares, and counts the others'."""
    own = [share_id for share_id, project in shares if project == ctx.project_id]
    named = ", ".join(sorted(own)[:_NAMED]) + (", ..." if len(own) > _NAMED else "")
    told = f"{what} is used by {servers} share server(s) with {len(shares)} share(s)"
    told += f", of yours {named}" if own else ""
    return f"{told}, which have no other subnet in their zone: delete those shares first."
