"""Red's share networks and what is on them, for what each role may do with them."""

from __future__ import annotations

from sqlalchemy import update

from abaca.db import availability_zones, segments
from abaca.db.database import Database
from abaca.db.tables import shares
from api.setups import networks
from api.setups import shares as rows


def scene(db: Database) -> dict[str, str]:
    """Red's ``private``, ``open`` (public) and ``used`` (with a share); blue's ``theirs``.

    ``server`` is a share server on ``private`` without shares.
    """
    names = rows.backend(db) | rows.flat(db)
    with db.write() as tx:
        for zone in ("north", "south"):
            availability_zones.ensure(tx, zone)
    for name, project, public in (
        ("private", "red", False),
        ("open", "red", True),
        ("used", "red", False),
        ("theirs", "blue", False),
    ):
        made = networks._add(db, project, name, net=f"net-{name}", public=public)
        names[name], names[f"{name}_subnet"] = made.id, made.subnets[0].id
        with db.write() as tx:
            segments.record(tx, "section", made.subnets[0].id, networks.SEGMENT)
    names["server"] = networks._add_server(db, names["private"])
    names |= rows._share(db, names["gold"], "red", "share", 1)
    with db.write() as tx:
        mine = shares.c.id == names["share"]
        tx.execute(
            update(shares)
            .where(mine)
            .values(share_network_id=names["used"], effective_share_network_id=names["used"])
        )
    return names
