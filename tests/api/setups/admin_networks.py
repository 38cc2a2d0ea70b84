"""A share server with an address on its tenant's network, and one on the administrators'."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from sqlalchemy import select

from abaca.db import allocations
from abaca.db.database import Database
from abaca.db.tables import allocations as table
from abaca.network.plugin import Allocation, Claim, Label, NetworkType, Segment, Subnet


def served(db: Database) -> dict[str, str]:
    """The one server of `networks.used` with a claim: an admin address beside the tenant's."""
    with db.read() as tx:
        known = tx.execute(select(table.c.share_server_id, table.c.subnet_key)).one()
    server, subnet = str(known.share_server_id), str(known.subnet_key)
    for label, section, key, cidr in (
        (Label.USER, "section", subnet, "10.7.0.0/24"),
        (Label.ADMIN, "admins", "admins", "10.66.0.0/24"),
    ):
        network = ip_network(cidr)
        claim = Claim(owner=server, label=label, subnet=key, index=0)
        given = Allocation(
            claim=claim,
            id=f"port-{label}",
            addresses=(ip_address(int(network.network_address) + 9),),
            mac_address=None,
            segment=Segment(
                network_type=NetworkType.FLAT if label is Label.ADMIN else NetworkType.VXLAN,
                segmentation_id=None if label is Label.ADMIN else 4711,
                physical_network=None,
                mtu=1450,
                subnets=(Subnet(cidr=network, gateway=None),),
            ),
        )
        with db.write() as tx:
            allocations.claim(tx, section, [claim])
            allocations.record(tx, section, [given])
    return {}
