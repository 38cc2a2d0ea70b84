"""The address pools of a configuration: what they have, how full they are, what to warn of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from abaca.config import BackendConfig, Config
from abaca.config.model import NetworkConfig
from abaca.db import migrate, networks
from abaca.db.address_usage import PoolUsage, usage
from abaca.db.database import Database
from abaca.errors import AbacaError, BadRequest, NotFound
from abaca.modes import DriverMode
from abaca.network.plugin import AddressPool, HasPools
from abaca.network.standalone_networks import tenant_pools


def flat_pools(backend: BackendConfig) -> tuple[AddressPool, ...]:
    """Of the backend's flat networks: the tenants' and the administrators'."""
    return tuple(pool for network in _flat(backend) for pool in _pools(network))


def _flat(backend: BackendConfig) -> Iterator[NetworkConfig]:
    if backend.network is not None and backend.mode is DriverMode.FLAT:
        yield backend.network
    if backend.admin_network is not None:
        yield backend.admin_network


def _pools(network: NetworkConfig) -> tuple[AddressPool, ...]:
    plugin: object = network.plugin
    if not isinstance(plugin, HasPools):
        return ()
    found: tuple[AddressPool, ...] = plugin.address_pools(network.section, network.values)
    return found


def known_pools(config: Config, db: Database) -> list[AddressPool]:
    """Of all flat sections and registered tenant networks, as they are now."""
    found = {pool.name: pool for backend in config.backends for pool in flat_pools(backend)}
    for tenant in networks.tenant_networks_of(db):
        for pool in tenant_pools(tenant):
            other = found.get(pool.name)
            # One wire may be registered for several projects, each with ranges of its own.
            found[pool.name] = AddressPool(
                name=pool.name,
                network=tenant.name,
                cidr=pool.subnet.cidr,
                ranges=pool.ranges if other is None else (*other.ranges, *pool.ranges),
                reserved=pool.reserved if other is None else other.reserved | pool.reserved,
            )
    return list(found.values())


def pools_of(config: Config, db: Database, network: str) -> list[AddressPool]:
    """Those of a flat section, or of a tenant's network by name or ID.

    NotFound if none is, BadRequest if several are: names are unique in a project only.
    """
    known = known_pools(config, db)
    tenants = networks.tenant_networks_of(db)
    flat = {pool.name for backend in config.backends for pool in flat_pools(backend)}
    found = [pool for pool in known if pool.name in flat and pool.network == network]
    named = [item for item in tenants if item.id == network]
    if not named:
        named = [item for item in tenants if item.name == network]
    if len(named) + bool(found) > 1:
        lines = [f"{item.id} of project {item.project_id}" for item in named]
        raise BadRequest(
            f"{network} may be {', '.join(['the section'] * bool(found) + lines)}: name the "
            "network by its ID"
        )
    names = {pool.name for tenant in named for pool in tenant_pools(tenant)}
    found += [pool for pool in known if pool.name in names]
    if not found:
        there = ", ".join(sorted({pool.network for pool in known})) or "none"
        raise NotFound(
            f"{network} is no flat network section with a ledger of addresses, and no network "
            f"of a tenant's: there is {there}"
        )
    return found


def usages(config: Config, db: Database) -> list[PoolUsage]:
    """How full each pool is."""
    return usage(db, known_pools(config, db))


def warnings(found: Sequence[PoolUsage]) -> list[str]:
    """What an administrator should know of the pools, one line each."""
    lines = []
    for item in found:
        where = f"network {item.network}"
        if item.nearly_full:
            lines.append(
                f"{where}: {item.percent:g} % of its {item.size} addresses are taken, "
                f"{item.free} are free; enlarge its ranges"
            )
        if item.outside:
            lines.append(
                f"{where}: {item.outside} addresses in use are outside its ranges: they stay "
                "until their share servers go"
            )
    return lines


def seen_beforehand(config: Config) -> list[str]:
    """The `warnings` of a database that is there already; nothing is made or migrated."""
    url = make_url(config.service.database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return []
    try:
        with closing(Database(config.service.database_url)) as db:
            if migrate.version(db) != migrate.HEAD:
                return []
            return warnings(usages(config, db))
    except AbacaError as error:
        return [f"address pools: not looked at: {error}"]
