"""Backends, share types and shares, as managers and administrators bring them about."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import insert, update

from abaca.db import availability_zones, share_types
from abaca.db.database import Database
from abaca.db.tables import (
    export_locations,
    new_id,
    now,
    pools,
    services,
    share_instances,
    share_networks,
    shares,
)

FEATURES = {
    "driver_handles_share_servers": "False",
    "snapshot_support": "True",
    "create_share_from_snapshot_support": "True",
    "revert_to_snapshot_support": "True",
    "mount_snapshot_support": "False",
}
CAPABILITIES = {
    **{key: True for key in FEATURES if key.endswith("_support")},
    "share_transfer_support": True,
    "share_server_manage_support": True,
}


def backend(db: Database) -> dict[str, str]:
    """A single_svm backend in zone ``north`` with 100 GiB, and the default type ``gold``."""
    _pool(db, "one", "single_svm")
    return {"gold": _type(db, "gold", FEATURES)}


def bare_type(db: Database) -> dict[str, str]:
    """Type ``bare``, which offers nothing, and has sizes from 2 to 5."""
    specs = {
        "driver_handles_share_servers": "False",
        "provisioning:min_share_size": "2",
        "provisioning:max_share_size": "5",
    }
    return {"bare": _type(db, "bare", specs)}


def flat(db: Database) -> dict[str, str]:
    """A flat_multi_svm backend, type ``silver`` for it, and share networks of two projects."""
    _pool(db, "two", "flat_multi_svm")
    silver = _type(db, "silver", {**FEATURES, "driver_handles_share_servers": "True"})
    return {
        "silver": silver,
        "red_net": _network(db, "red", "own"),
        "blue_net": _network(db, "blue", "own"),
        "public_net": _network(db, "ops", "common", public=True),
    }


def four(db: Database) -> dict[str, str]:
    """Red's shares ``a`` (1 GiB) to ``d_%`` (4 GiB), a day apart, ``d_%`` the newest.

    ``b`` is in error, ``c`` has metadata, each has an export location; blue's
    ``theirs`` is private, ``open`` public.
    """
    names = backend(db)
    for number, name in enumerate(("a", "b", "c", "d_%"), 1):
        names |= _share(db, names["gold"], "red", name, number)
    names |= _share(db, names["gold"], "blue", "theirs", 1)
    names |= _share(db, names["gold"], "blue", "open", 1, public=True)
    with db.write() as tx:
        tx.execute(
            update(share_instances)
            .where(share_instances.c.share_id == names["b"])
            .values(status="error")
        )
        tx.execute(
            insert(shares.metadata.tables["share_metadata"]),
            [
                {"share_id": names["c"], "key": "team", "value": "x"},
                {"share_id": names["c"], "key": "env", "value": "prod"},
            ],
        )
    return names


def kept_apart(db: Database) -> dict[str, str]:
    """The backend can't hand a share to another project."""
    with db.write() as tx:
        tx.execute(
            update(pools).values(capabilities={**CAPABILITIES, "share_transfer_support": False})
        )
    return {}


def _pool(db: Database, name: str, mode: str) -> None:
    stamp = now()
    with db.write() as tx:
        availability_zones.ensure(tx, "north")
        tx.execute(
            insert(services).values(
                host=f"node1@{name}",
                binary="manila-share",
                availability_zone="north",
                disabled=False,
                seen_at=stamp,
                created_at=stamp,
            )
        )
        tx.execute(
            insert(pools).values(
                host=f"node1@{name}",
                name="main",
                backend=name,
                driver_mode=mode,
                availability_zone="north",
                protocols=["NFS"],
                makes_networks=False,
                total_gib=100.0,
                free_gib=100.0,
                capabilities=CAPABILITIES,
                reported_at=stamp,
            )
        )


def _type(db: Database, name: str, specs: dict[str, str]) -> str:
    with db.write() as tx:
        return share_types.create(
            tx, name=name, description=None, is_public=True, extra_specs=specs
        )


def _network(db: Database, project: str, name: str, *, public: bool = False) -> str:
    network_id = new_id()
    with db.write() as tx:
        tx.execute(
            insert(share_networks).values(
                id=network_id,
                project_id=project,
                name=name,
                status="active",
                is_public=public,
                created_at=now(),
            )
        )
    return network_id


def _share(
    db: Database, type_id: str, project: str, name: str, size: int, *, public: bool = False
) -> dict[str, str]:
    share_id, instance_id, location_id = new_id(), new_id(), new_id()
    stamp = now() - timedelta(days=10 - size)
    with db.write() as tx:
        tx.execute(
            insert(shares).values(
                id=share_id,
                project_id=project,
                user_id="somebody",
                name=name,
                description=f"about {name}",
                size=size,
                share_proto="NFS",
                share_type_id=type_id,
                is_public=public,
                created_at=stamp,
            )
        )
        tx.execute(
            insert(share_instances).values(
                id=instance_id,
                share_id=share_id,
                primary_slot=1,
                status="available",
                access_rules_status="active",
                progress="100%",
                host="node1@one",
                pool="main",
                availability_zone="north",
                export_id=int(share_id[:6], 16),
                wanted_size=size,
                made=True,
                created_at=stamp,
            )
        )
        for path, hidden in ((f"10.0.0.1:/{share_id}", False), (f"10.9.9.9:/{share_id}", True)):
            tx.execute(
                insert(export_locations).values(
                    id=new_id() if hidden else location_id,
                    share_instance_id=instance_id,
                    path=path,
                    preferred=not hidden,
                    is_admin_only=hidden,
                    created_at=stamp,
                )
            )
    short = name.split("_", maxsplit=1)[0]
    return {short: share_id, f"{short}_location": location_id}
