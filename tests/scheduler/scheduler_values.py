"""Values that scheduler tests are made of."""

from __future__ import annotations

from abaca.db.tables import now
from abaca.model.share_network import ShareNetwork, ShareNetworkSubnet
from abaca.states import NetworkStatus


def share_network(name: str, *subnets: tuple[str | None, str | None]) -> ShareNetwork:
    """The value, without a row."""
    return ShareNetwork(
        id=name,
        project_id="p1",
        user_id=None,
        name=name,
        description=None,
        status=NetworkStatus.ACTIVE,
        is_public=False,
        default_slot=None,
        created_at=now(),
        updated_at=None,
        subnets=tuple(
            ShareNetworkSubnet(
                id=f"{name}-{number}",
                share_network_id=name,
                availability_zone=zone,
                neutron_net_id=net,
                neutron_subnet_id=net and f"{net}-sub",
                nova_net_id=None,
                metadata={},
                created_at=now(),
                updated_at=None,
            )
            for number, (zone, net) in enumerate(subnets)
        ),
    )
