"""`abaca config`: a sample to start from, and what a configuration means."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

import click

from abaca.cli.options import Files, config_files
from abaca.drivers.driver import Prepared
from abaca.errors import ConfigError, DriverError
from abaca.modes import DriverMode
from abaca.network.plugin import Reachable

if TYPE_CHECKING:
    from abaca.config import BackendConfig, Config


@click.group()
def config() -> None:
    """Print a sample configuration, or check one."""


@config.command("sample")
def show_sample() -> None:
    """Print a complete commented configuration.

    Every option of Abaca and of the installed drivers and network plugins is in it, third
    parties' included. As it is, it configures two clusters on two flat networks.
    """
    from abaca.config.sample import sample  # noqa: PLC0415 - loads every driver and plugin

    click.echo(sample(), nl=False)


@config.command()
@config_files
@click.option(
    "--offline", is_flag=True, help="Look at the files only: not at this host, nor elsewhere."
)
@click.option(
    "--api-only", is_flag=True, help="For `abaca api` alone, so that no backend is missing."
)
@click.pass_context
def check(ctx: click.Context, files: Files, *, offline: bool, api_only: bool) -> None:
    """Say what a configuration means, and what is wrong with it, without starting anything.

    A database server that it names is asked whether it answers.

    This host is looked at for what the drivers need (privileges, programs, interfaces).
    Keystone and network services (a Neutron, say) are asked whether they can be worked with.

    Exit code 0 if a service would start with it, 1 if not, with one line per fault that says
    what to write. Networks that run out of addresses are warned of.
    """
    try:
        found = files.load(need_backends=not api_only)
        _ask_database(found)
    except ConfigError as error:
        _refuse(ctx, error.faults)
    if not offline and (faults := found_outside(found)):
        _refuse(ctx, faults)
    for line in understood(found):
        click.echo(line)
    for line in [] if offline else _seen(found):
        click.echo(f"warning: {line}", err=True)


def _seen(config: Config) -> list[str]:
    """What is no fault, but should be known."""
    from abaca.service.address_pools import seen_beforehand  # noqa: PLC0415 - loads plugins

    return seen_beforehand(config)


def _refuse(ctx: click.Context, faults: list[str]) -> NoReturn:
    for fault in faults:
        click.echo(fault, err=True)
    many = len(faults)
    click.echo(f"{many} fault{'s' if many > 1 else ''}", err=True)
    ctx.exit(1)


def found_outside(config: Config) -> list[str]:
    """What this host, and the network services that are configured, lack; one line each."""
    from abaca.service.auth import keystone_findings  # noqa: PLC0415 - loads the API

    for library in ("keystoneauth", "keystonemiddleware", "openstack"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # the findings say it
    lines = keystone_findings(config)
    for backend in config.backends:
        driver: object = backend.driver
        if isinstance(driver, Prepared):
            lines += _looked(driver, backend)
        for network, mode in (
            (backend.network, backend.mode),
            (backend.admin_network, DriverMode.FLAT),
        ):
            plugin: object = network.plugin if network else None
            # Its classes are asked: an instance would need a database.
            if network is not None and isinstance(plugin, Reachable):
                lines += plugin.findings(network.section, network.values, mode)
    return list(dict.fromkeys(lines))


def _looked(driver: Prepared, backend: BackendConfig) -> list[str]:
    try:
        return driver.findings(backend.name, backend.values, backend.mode)
    except DriverError as error:
        return [f"[{backend.name}] {error}"]


def _ask_database(config: Config) -> None:
    """ConfigError if the database can't be used."""
    from abaca.db import probe  # noqa: PLC0415 - `abaca --help` must be quick

    if faults := probe.faults(config.service.database_url):
        raise ConfigError(faults)


def understood(config: Config) -> list[str]:
    """What the configuration means, one line each."""
    api = config.api
    secure = "https" if api.tls_cert else "http"
    address = f"[{api.listen_address}]" if ":" in api.listen_address else api.listen_address
    lines = [
        f"host {config.service.host}, state in {config.service.state_path}",
        f"database: {_database(config.service.database_url)}",
        f"API: {secure}://{address}:{api.listen_port}, auth_strategy {api.auth_strategy}",
    ]
    if api.default_share_network:
        lines.append(f"default share network: {api.default_share_network}")
    lines += [_backend(backend) for backend in config.backends]
    lines += [
        f"network [{section}]: plugin {network.plugin_name}"
        for section, network in config.networks.items()
    ]
    return [*lines, *config.notes, "no faults"]


def _backend(backend: BackendConfig) -> str:
    network = f"network [{backend.network.section}]" if backend.network else "no network section"
    if backend.admin_network is not None:
        network += f", admin network [{backend.admin_network.section}]"
    return (
        f"backend [{backend.name}]: driver {backend.driver_name}, {backend.mode} "
        f"(driver_handles_share_servers = {backend.mode.has_share_servers}), {network}, "
        f"availability zone {backend.availability_zone}"
    )


def _database(url: str) -> str:
    """The URL without its password."""
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{place}"
