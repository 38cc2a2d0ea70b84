"""Share networks in states that only managers and administrators bring about."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network

from sqlalchemy import insert

from abaca.db import availability_zones, segments, share_networks
from abaca.db.database import Database
from abaca.db.tables import (
    allocations,
    new_id,
    now,
    share_instances,
    share_servers,
    share_types,
    shares,
)
from abaca.model.share_network import ShareNetwork, ShareNetworkSubnet
from abaca.network.plugin import NetworkType, Segment, Subnet
from abaca.states import NetworkStatus

SEGMENT = Segment(
    network_type=NetworkType.VXLAN,
    segmentation_id=4711,
    physical_network=None,
    mtu=1450,
    subnets=(Subnet(cidr=IPv4Network("10.7.0.0/24"), gateway=IPv4Address("10.7.0.1")),),
)


def zones(db: Database) -> dict[str, str]:
    """Two zones."""
    with db.write() as tx:
        for name in ("north", "south"):
            availability_zones.ensure(tx, name)
    return {}


def described(db: Database) -> dict[str, str]:
    """Red's ``private`` and blue's public ``common``, both looked at by a network section."""
    red = _add(db, "red", "private", net="net-1")
    blue = _add(db, "blue", "common", net="net-2", public=True)
    hidden = _add(db, "blue", "hidden", net="net-3")
    with db.write() as tx:
        for network in (red, blue, hidden):
            segments.record(tx, "section", network.subnets[0].id, SEGMENT)
    return {
        "red": red.id,
        "blue": blue.id,
        "hidden": hidden.id,
        "blue_subnet": blue.subnets[0].id,
        "hidden_subnet": hidden.subnets[0].id,
    }


def many(db: Database) -> dict[str, str]:
    """Red's n1 to n5, a day apart, n5 the newest."""
    for number in range(1, 6):
        _add(db, "red", f"n{number}", days_ago=6 - number)
    return {}


def used(db: Database) -> dict[str, str]:
    """Red's ``busy`` (a share and its server), ``idle`` (a server without shares)."""
    busy, idle = _add(db, "red", "busy", net="net-1"), _add(db, "red", "idle", net="net-2")
    servers = {network.id: _add_server(db, network.id) for network in (busy, idle)}
    type_id, share_id = new_id(), new_id()
    with db.write() as tx:
        tx.execute(
            insert(share_types).values(id=type_id, name="gold", is_public=True, created_at=now())
        )
        tx.execute(
            insert(shares).values(
                id=share_id,
                project_id="red",
                size=1,
                share_proto="NFS",
                share_type_id=type_id,
                share_network_id=busy.id,
                effective_share_network_id=busy.id,
                is_public=False,
                created_at=now(),
            )
        )
        tx.execute(
            insert(share_instances).values(
                id=new_id(),
                share_id=share_id,
                primary_slot=1,
                status="available",
                access_rules_status="active",
                host="node1@one",
                pool="main",
                availability_zone="north",
                share_server_id=servers[busy.id],
                wanted_size=1,
                created_at=now(),
            )
        )
    subnet = busy.subnets[0].id
    with db.write() as tx:
        tx.execute(
            insert(allocations).values(
                id=new_id(),
                share_server_id=servers[busy.id],
                section="section",
                subnet_key=subnet,
                label="user",
                index=0,
                created_at=now(),
            )
        )
        availability_zones.ensure(tx, "north")
        availability_zones.ensure(tx, "south")
    return {
        "busy": busy.id,
        "busy_subnet": busy.subnets[0].id,
        "busy_server": servers[busy.id],
        "idle": idle.id,
        "idle_subnet": idle.subnets[0].id,
        "idle_server": servers[idle.id],
    }


def _add_server(db: Database, network_id: str) -> str:
    server_id = new_id()
    with db.write() as tx:
        tx.execute(
            insert(share_servers).values(
                id=server_id,
                project_id="red",
                share_network_id=network_id,
                host="node1@one",
                availability_zone="north",
                slot=0,
                status="creating",
                details={"netns": "abaca-1"},
                created_at=now(),
            )
        )
    return server_id


def _add(
    db: Database,
    project: str,
    name: str,
    *,
    net: str | None = None,
    public: bool = False,
    days_ago: int = 0,
) -> ShareNetwork:
    stamp = now() - timedelta(days=days_ago)
    network_id = new_id()
    subnet = ShareNetworkSubnet(
        id=new_id(),
        share_network_id=network_id,
        availability_zone=None,
        neutron_net_id=net,
        neutron_subnet_id=net and f"{net}-sub",
        nova_net_id=None,
        metadata={},
        created_at=stamp,
        updated_at=None,
    )
    network = ShareNetwork(
        id=network_id,
        project_id=project,
        user_id=None,
        name=name,
        description=f"{name} of {project}",
        status=NetworkStatus.ACTIVE,
        is_public=public,
        default_slot=None,
        created_at=stamp,
        updated_at=None,
        subnets=(subnet,) if net else (),
    )
    with db.write() as tx:
        share_networks.add(tx, network)
    return network
