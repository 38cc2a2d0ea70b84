"""Create and fill the database of a throw-away nova; runs inside nova's own environment.

The main database only (no API database, no cells). An instance holds an address
of ``flat``, and an administrator has reserved another.
"""

import sys
from typing import Any

import nova.conf
from nova.db import migration
from oslo_utils import importutils, uuidutils

from nova import config, objects
from nova import context as contexts

CONF = nova.conf.CONF
PROJECT = "0123456789abcdef0123456789abcdef"
FLAT = "11111111-1111-4111-8111-111111111111"
DHCP, VLAN = "nova.network.manager.FlatDHCPManager", "nova.network.manager.VlanManager"


def create(context: Any, **values: Any) -> None:
    """A network, as `nova-manage network create` makes it."""
    name = VLAN if "vlan" in values else DHCP
    CONF.set_override("network_manager", name)
    importutils.import_object(name).create_networks(context, num_networks=1, **values)


def networks(context: Any) -> None:
    """All networks. Once there is one of IPv6 alone, nova can't make one of IPv4: it is last."""
    small = {"network_size": 32, "bridge": "br5"}
    create(
        context,
        label="flat",
        cidr="10.50.0.0/27",
        gateway="10.50.0.1",
        dns1="10.50.0.3",
        mtu=1450,
        uuid=FLAT,
        **small,
    )
    create(
        context,
        label="vlan",
        cidr="10.60.0.0/27",
        vlan=100,
        bridge_interface="lo",
        dns1="10.60.0.9",
        project_id=PROJECT,
        uuid="22222222-2222-4222-8222-222222222222",
        network_size=32,
    )
    create(
        context,
        label="dual",
        cidr="10.70.0.0/28",
        cidr_v6="fd00:70::/64",
        uuid="33333333-3333-4333-8333-333333333333",
        network_size=16,
        bridge="br7",
    )
    for number in (1, 2):
        create(
            context,
            label="twin",
            cidr=f"10.8{number}.0.0/27",
            uuid=f"{number}0000000-0000-4000-8000-000000000000",
            **small,
        )
    create(
        context,
        label="six",
        cidr_v6="fd00:80::/64",
        gateway_v6="fd00:80::1",
        uuid="44444444-4444-4444-8444-444444444444",
        **small,
    )


def held(context: Any) -> None:
    """An instance has 10.50.0.4, and 10.50.0.6 was reserved by hand."""
    instance = objects.Instance(
        context=context,
        uuid=uuidutils.generate_uuid(),
        user_id="u",
        project_id=PROJECT,
        host="compute1",
        node="compute1",
        hostname="vm-one",
        display_name="vm-one",
    )
    instance.create()
    network = objects.Network.get_by_uuid(context, FLAT)
    objects.FixedIP.associate(context, "10.50.0.4", instance.uuid, network.id)
    address = objects.FixedIP.get_by_address(context, "10.50.0.6")
    address.reserved = True
    address.save()


def main() -> None:
    """Schema, networks, addresses."""
    config.parse_args(["bootstrap", "--config-file", sys.argv[1]])
    objects.register_all()
    migration.db_sync()
    admin = contexts.get_admin_context()
    admin.user_id, admin.project_id = "u", PROJECT
    networks(admin)
    held(admin)


main()
