"""A database of its own for each test, with what a scheduler needs in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from scheduler_values import share_network
from sqlalchemy import insert

from abaca.db.database import Database
from abaca.db.tables import now, pools, services, share_network_subnets, share_networks
from abaca.model.share_network import ShareNetwork


@pytest.fixture
def add_pool(db: Database) -> Callable[..., str]:
    """Report a pool of a service that is up; returns ``host@backend``."""

    def add(backend: str, mode: str, *, free: float = 100.0, **changes: Any) -> str:
        host = f"node1@{backend}"
        row = {
            "host": host,
            "name": "main",
            "backend": backend,
            "driver_mode": mode,
            "availability_zone": changes.pop("zone", "nova"),
            "protocols": ["NFS"],
            "makes_networks": False,
            "total_gib": 100.0,
            "free_gib": free,
            "capabilities": {},
            "reported_at": now(),
        }
        service = {
            "host": host,
            "binary": "manila-share",
            "availability_zone": row["availability_zone"],
            "disabled": changes.pop("disabled", False),
            "seen_at": now() - timedelta(seconds=changes.pop("silent_for", 0)),
            "created_at": now(),
        }
        with db.write() as tx:
            tx.execute(insert(services).values(**service))
            tx.execute(insert(pools).values(**{**row, **changes}))
        return host

    return add


@pytest.fixture
def add_network(db: Database) -> Callable[..., ShareNetwork]:
    """A share network with a subnet per (zone, neutron network) given."""

    def add(name: str, *subnets: tuple[str | None, str | None]) -> ShareNetwork:
        network = share_network(name, *subnets)
        with db.write() as tx:
            tx.execute(
                insert(share_networks).values(
                    id=network.id, project_id="p1", status="active", created_at=now()
                )
            )
            for subnet in network.subnets:
                tx.execute(
                    insert(share_network_subnets).values(
                        id=subnet.id,
                        share_network_id=network.id,
                        availability_zone=subnet.availability_zone,
                        neutron_net_id=subnet.neutron_net_id,
                        created_at=now(),
                    )
                )
        return network

    return add
