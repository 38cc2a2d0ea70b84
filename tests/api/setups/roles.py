"""Red's share networks and what is on them, for what each role may do with them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from sqlalchemy import update

from abaca.db import availability_zones, security_services, segments, share_network_subnets
from abaca.db.database import Database
from abaca.db.tables import shares
from abaca.model.security_service import SecurityServiceType
from abaca.network.plugin import Subnet
from abaca.share import security_services as use_case
from api.setups import networks
from api.setups import shares as rows
from support.share_world import caller

THEIRS = replace(
    networks.SEGMENT,
    segmentation_id=815,
    subnets=(Subnet(cidr=IPv4Network("10.9.0.0/24"), gateway=None),),
)


def scene(db: Database) -> dict[str, str]:
    """Red's ``private``, ``open`` (public), ``used`` (by a share), ``joined``; blue's ``theirs``.

    ``server`` is a share server on ``private`` without shares. Security services
    of red's: ``here`` on ``joined``, ``public_one`` on ``open``, ``spare`` of the type of
    ``here``, ``service`` of that of ``public_one``, on no share network; ``foreign`` is blue's.
    """
    names = rows.backend(db) | rows.flat(db)
    with db.write() as tx:
        for zone in ("north", "south"):
            availability_zones.ensure(tx, zone)
    for name, project, public in (
        ("private", "red", False),
        ("open", "red", True),
        ("used", "red", False),
        ("joined", "red", False),
        ("theirs", "blue", False),
    ):
        made = networks._add(db, project, name, net=f"net-{name}", public=public)
        names[name], names[f"{name}_subnet"] = made.id, made.subnets[0].id
        with db.write() as tx:
            # Blue's is another one, so that red's is not seen in what blue sees of its own.
            segment = networks.SEGMENT if project == "red" else THEIRS
            segments.record(tx, "section", made.subnets[0].id, segment)
            share_network_subnets.change(tx, made.subnets[0].id, metadata={"team": "x"})
    names["server"] = networks._add_server(db, names["private"])
    names |= rows._share(db, names["gold"], "red", "share", 1)
    with db.write() as tx:
        mine = shares.c.id == names["share"]
        tx.execute(
            update(shares)
            .where(mine)
            .values(share_network_id=names["used"], effective_share_network_id=names["used"])
        )
    return names | _services(db, names)


def _services(db: Database, names: dict[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    with db.write() as tx:
        for name, project, kind in (
            ("here", "red", SecurityServiceType.LDAP),
            ("spare", "red", SecurityServiceType.LDAP),
            ("public_one", "red", SecurityServiceType.KERBEROS),
            ("service", "red", SecurityServiceType.KERBEROS),
            ("foreign", "blue", SecurityServiceType.KERBEROS),
        ):
            service = use_case.create(tx, caller(project), kind, {"name": name, "password": "s3"})
            made[name] = service.id
        for name, network in (("here", "joined"), ("public_one", "open")):
            found = security_services.get(tx, made[name], None)
            assert found is not None
            security_services.associate(tx, names[network], found)
    return made
