"""`abaca network join` and `leave`: machines of tenants on networks that Abaca made."""

from __future__ import annotations

import click

from abaca.cli.options import Files, config_files

INTERFACE = click.option(
    "--interface", default="share0", show_default=True, help="Its new interface's name."
)
NETNS = click.option("--netns", help="The machine: a network namespace of this host.")
BRIDGE = click.option(
    "--bridge", help="The machines behind this bridge of the tenant's, on this host."
)


@click.command()
@config_files
@click.argument("share_network")
@NETNS
@INTERFACE
@BRIDGE
@click.option(
    "--machines",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="With --bridge: for how many machines behind it addresses are kept.",
)
@click.option("--leave", "undo", is_flag=True, help="As `abaca network leave`.")
def join(  # noqa: PLR0917 - click hands over one argument per option
    files: Files,
    share_network: str,
    netns: str | None,
    interface: str,
    bridge: str | None,
    machines: int,
    undo: bool,
) -> None:
    """Plug a tenant's machines into the network that Abaca made for a share network.

    For share networks that name no network (managed_multi_svm). With --netns, the machine gets
    an interface with an address, which is printed. With --bridge, a cable is laid to the bridge
    and addresses are printed that nobody else gets: configure them in the machines behind it.
    Run it on the host of the share servers, and again after a reboot.
    """
    if undo:
        _leave(files, share_network, netns, interface, bridge)
    elif _one_of(netns, bridge):
        _join_machine(files, share_network, str(netns), interface)
    else:
        _join_bridge(files, share_network, str(bridge), machines)


@click.command()
@config_files
@click.argument("share_network")
@NETNS
@INTERFACE
@BRIDGE
def leave(
    files: Files, share_network: str, netns: str | None, interface: str, bridge: str | None
) -> None:
    """Take a tenant's machines off the network again that Abaca made for a share network.

    Their addresses are given back; the network goes with the last machine and share server.
    Succeeds if they were not on it.
    """
    _leave(files, share_network, netns, interface, bridge)


def _one_of(netns: str | None, bridge: str | None) -> bool:
    """True for --netns, False for --bridge."""
    if (netns is None) is (bridge is None):
        raise click.UsageError("write either --netns NAMESPACE or --bridge BRIDGE")
    return netns is not None


def _join_machine(files: Files, share_network: str, netns: str, interface: str) -> None:
    from abaca.service.joining import join_network  # noqa: PLC0415 - `abaca --help` must be quick

    config = files.load()
    with files.database() as database:
        addresses = join_network(config, database, share_network, netns=netns, interface=interface)
    click.echo(f"{netns}: {interface} has {', '.join(addresses)}")


def _join_bridge(files: Files, share_network: str, bridge: str, machines: int) -> None:
    from abaca.service.joining import join_bridge  # noqa: PLC0415 - same

    config = files.load()
    with files.database() as database:
        found = join_bridge(config, database, share_network, bridge=bridge, machines=machines)
    for number, addresses in enumerate(found.machines, start=1):
        click.echo(
            f"{bridge}: machine {number} behind it may have {', '.join(addresses)}, "
            f"MTU {found.mtu}, no gateway"
        )


def _leave(
    files: Files, share_network: str, netns: str | None, interface: str, bridge: str | None
) -> None:
    from abaca.service.joining import leave_bridge, leave_network  # noqa: PLC0415 - same

    named = _one_of(netns, bridge)
    config = files.load()
    with files.database() as database:
        if named:
            leave_network(config, database, share_network, netns=str(netns), interface=interface)
        else:
            leave_bridge(config, database, share_network, bridge=str(bridge))
