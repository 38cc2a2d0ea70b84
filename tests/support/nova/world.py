"""The nova plugin on a real nova, as the conformance suite and the other tests want it."""

from __future__ import annotations

import functools
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address

from sqlalchemy import delete, select

from abaca.db import tables
from abaca.db.addresses import DatabaseLedger
from abaca.db.database import Database
from abaca.db.networks import DatabaseRegistry
from abaca.modes import DriverMode
from abaca.network.nova import NovaPlugin
from abaca.network.nova_api import NovaApi
from abaca.network.nova_config import Settings
from abaca.network.plugin import Allocation, PluginHost, SubnetRef
from abaca.testing.network_subject import REMOTE_FAULTS, Subject
from abaca.testing.power import Power
from support.fault_proxy import FAULTS, fault_proxy
from support.foreign import keystoneauth, raise_on
from support.nova.server import ADMIN, PROJECT, NovaServer

MISSING = "99999999-9999-4999-8999-999999999999"


def access(url: str, **others: object) -> dict[str, object]:
    """How to reach a nova without Keystone."""
    return {
        "auth_type": "none",
        "token": ADMIN,
        "endpoint_override": url,
        "request_timeout": 60.0,
        **others,
    }


ASKING = ("held", "owned", "forgotten", "pools", "networks", "network", "fixed_ip")
"""Calls to the ledger and to nova that change nothing."""


def host(
    database: Database, mode: DriverMode, power: Power | None = None, asking: Sequence[str] = ()
) -> PluginHost:
    """What Abaca lends to the plugin; each call to it ticks."""
    power = power or Power()
    return PluginHost(
        name="host1",
        mode=mode,
        ledger=power.wired(DatabaseLedger(database), asking),
        registry=DatabaseRegistry(database),
        fabric=None,
    )


def plugin_on(
    database: Database,
    values: Mapping[str, object],
    mode: DriverMode = DriverMode.FLAT,
    *,
    section: str = "net",
    power: Power | None = None,
    asking: Sequence[str] = (),
) -> NovaPlugin:
    """An instance as the manager makes it; with ``power``, its every call outside ticks.

    There is no cut after one of those ``asking``.
    """
    if power is None:
        return NovaPlugin.from_config(section, values, host(database, mode))
    settings = Settings.parse(section, values, mode)
    api = power.wired(NovaApi(settings.access), asking)
    return NovaPlugin(section, settings, host(database, mode, power, asking), api)


def in_process(url: str, values: Mapping[str, object], mode: DriverMode) -> NovaPlugin:
    """As another process of the service has it; its database is closed when it goes."""
    database = Database(url)
    made = plugin_on(database, values, mode)
    weakref.finalize(made, database.close)
    return made


def left_in(nova: NovaServer, database: Database) -> list[str]:
    """Addresses that share servers have: in the ledger, or in nova beyond what was there."""
    with database.read() as tx:
        held = tx.execute(
            select(tables.addresses.c.pool, tables.addresses.c.address).where(
                tables.addresses.c.owner.is_not(None)
            )
        ).all()
    return [*map(str, held), *sorted(nova.reserved() - nova.reserved_at_first())]


def nova_subject(
    nova: NovaServer,
    database: Database,
    values: Mapping[str, object],
    mode: DriverMode,
    *,
    network: str,
    capacity: int,
    asking: Sequence[str] = ASKING,
) -> Subject:
    """A section of the plugin, and a nova network that it, or the share network, names.

    There is no cut after a call of those ``asking``.
    """
    power = Power()
    flat = mode is DriverMode.FLAT
    whole = access(nova.url, **values)

    def lose(found: Allocation) -> None:
        if ip_address(found.addresses[0]).version == 4:
            nova.sql("UPDATE fixed_ips SET reserved = 0 WHERE address = ?", str(found.addresses[0]))
            return
        with database.write() as tx:
            owner = tables.addresses.c.owner == found.claim.owner
            tx.execute(delete(tables.addresses).where(owner))

    subnet = SubnetRef(key="net")
    if not flat:
        subnet = SubnetRef(key=str(uuid.uuid4()), project_id=PROJECT, net_id=network)

    def wrong() -> tuple[NovaPlugin, SubnetRef]:
        if flat:
            return plugin_on(database, {**whole, "network": MISSING}, mode), subnet
        return plugin_on(database, whole, mode), replace(subnet, net_id=MISSING)

    @contextmanager
    def failing(name: str) -> Iterator[NovaPlugin]:
        patience = 0.2 if name == "slow" else 60.0
        with fault_proxy(nova.url) as proxy, proxy.failing(FAULTS[name]):
            section = access(proxy.url, **{**values, "request_timeout": patience})
            yield plugin_on(database, section, mode)

    spoiled = functools.cache(functools.partial(plugin_on, database, whole, mode))

    @contextmanager
    def raising(error: Exception) -> Iterator[NovaPlugin]:
        plugin = spoiled()
        raise_on(plugin._api._adapter.session.session, error)
        yield plugin

    return Subject(
        make=lambda: plugin_on(database, whole, mode, power=power, asking=asking),
        mode=mode,
        subnet=subnet,
        capacity=capacity,
        wrong=wrong,
        wrong_values={**whole, "allowed_ip_ranges": ["10.0.0.9-10.0.0.1"]},
        power=power,
        lose=lose,
        vanish=lambda: nova.remove_network(network),
        left=lambda: left_in(nova, database),
        faults={name: functools.partial(failing, name) for name in REMOTE_FAULTS},
        foreign=keystoneauth(),
        raising=raising,
        in_process=functools.partial(
            in_process, database.engine.url.render_as_string(hide_password=False), whole, mode
        ),
    )
