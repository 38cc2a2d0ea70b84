"""What managers report: services, pools, user messages."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import insert, update

from abaca.db import messages as message_rows
from abaca.db import services as service_rows
from abaca.db.database import Database
from abaca.db.tables import messages, new_id, now, pools, services, share_types
from abaca.db.tables import share_type_extra_specs as extra_specs
from abaca.model.message import ActionId, DetailId, MessageResource


def backends(db: Database) -> dict[str, str]:
    """Backends ``one`` (up, single_svm) and ``two`` (silent for long, flat); a type for each."""
    types = {}
    with db.write() as tx:
        for backend, mode, zone in (
            ("one", "single_svm", "north"),
            ("two", "flat_multi_svm", "west"),
        ):
            host = f"node1@{backend}"
            service_rows.seen(tx, host, zone)
            tx.execute(
                insert(pools).values(
                    host=host,
                    name="main",
                    backend=backend,
                    driver_mode=mode,
                    availability_zone=zone,
                    protocols=["NFS"],
                    makes_networks=False,
                    total_gib=100.0,
                    free_gib=80.5,
                    capabilities={"snapshot_support": True},
                    reported_at=now(),
                )
            )
            types[backend] = new_id()
            tx.execute(
                insert(share_types).values(
                    id=types[backend], name=backend, is_public=True, created_at=now()
                )
            )
            tx.execute(
                insert(extra_specs).values(
                    share_type_id=types[backend],
                    key="driver_handles_share_servers",
                    value=str(mode != "single_svm"),
                )
            )
        long_ago = now() - timedelta(hours=1)
        silent = services.c.host == "node1@two"
        tx.execute(update(services).where(silent).values(seen_at=long_ago))
    return {}


def told(db: Database) -> dict[str, str]:
    """Three messages of red's (an hour apart), one of blue's, and one that has expired."""
    red, blue, resource = new_id(), new_id(), new_id()
    with db.write() as tx:
        for project, resource_id in (("red", resource), ("red", red), ("red", red), ("blue", blue)):
            message_rows.add(
                tx,
                project_id=project,
                request_id="req-1" if resource_id == resource else None,
                resource=MessageResource.SHARE,
                resource_id=resource_id,
                action=ActionId.ALLOCATE_HOST,
                detail=DetailId.NO_VALID_HOST,
                told="No backend has room.",
            )
        ids = list(tx.execute(messages.select().order_by(messages.c.created_at)).scalars())
        for hours, message_id in enumerate(ids):
            stamp = now() - timedelta(hours=10 - hours)
            row = update(messages).where(messages.c.id == message_id)
            tx.execute(row.values(created_at=stamp))
        tx.execute(
            insert(messages).values(
                id=new_id(),
                project_id="red",
                resource_type="SHARE",
                action_id="001",
                detail_id="002",
                message_level="ERROR",
                user_message="old",
                expires_at=now() - timedelta(seconds=1),
                created_at=now() - timedelta(days=40),
            )
        )
    return {"resource": resource, "first": ids[0], "last": ids[2], "blues": ids[3]}
