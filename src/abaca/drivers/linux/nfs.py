"""The NFS server of a place, and its exports."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_network

from abaca.drivers.linux import storage
from abaca.drivers.linux.layout import (
    RUN_PATH,
    NetworkRecord,
    Place,
    Rule,
    ShareRecord,
    load,
)
from abaca.drivers.linux.options import LinuxOptions
from abaca.errors import AccessRuleUnsupported
from abaca.linux.ganesha import Client, Export, Ganesha, GaneshaOptions, Unspeakable, spelled
from abaca.linux.portmap import Portmap
from abaca.steps import step

PSEUDO_ROOT = "/shares"
PSEUDO_EXPORT = 0
"""What NFS-Ganesha has above all exports, and counts as one."""


def export_path(share_id: str) -> str:
    """What a client mounts, behind the address."""
    return f"{PSEUDO_ROOT}/{share_id}"


def ganesha(place: Place, options: LinuxOptions) -> Ganesha:
    """The place's NFS server."""
    addresses = options.export_addresses if place.netns is None else ()
    return Ganesha(
        folder=place.run,
        home=place.home,
        netns=place.netns,
        options=GaneshaOptions(
            versions=options.nfs_versions,
            bind=addresses[0] if len(addresses) == 1 else None,
        ),
    )


def exports(place: Place) -> list[Export]:
    """Every export that the place should serve: shares that are complete and mounted."""
    there = {item.target for item in storage.mounted(place)}
    return [
        export_of(place, share)
        for share in place.shares()
        if share.served and place.mount(share.id).resolve() in there
    ]


def export_of(place: Place, share: ShareRecord) -> Export:
    """The share's export, with its rules."""
    return Export(
        id=share.export_id,
        path=place.mount(share.id),
        pseudo=export_path(share.id),
        clients=tuple(
            Client(network=ip_network(rule.network), writes=rule.writes) for rule in share.rules
        ),
    )


def check_rules(rules: Iterable[Rule]) -> None:
    """AccessRuleUnsupported if the NFS server can't express one of them."""
    for rule in rules:
        try:
            spelled(ip_network(rule.network))
        except Unspeakable as error:
            raise AccessRuleUnsupported(str(error), told=str(error)) from error


def never_started(place: Place, options: LinuxOptions) -> None:
    """The server is new: none of its processes needs to be looked for."""
    server = ganesha(place, options)
    for daemon in (server.daemon, server.bus.daemon, Portmap(place.run, place.netns).daemon):
        daemon.never_started()


def begin_nfs(place: Place, options: LinuxOptions) -> None:
    """What the NFS server needs first is starting."""
    ganesha(place, options).bus.begin()


@step("server.create.nfs")
def start_nfs(place: Place, options: LinuxOptions) -> None:
    """The NFS server runs or is starting, with every share that is mounted."""
    if 3 in options.nfs_versions:  # noqa: PLR2004
        Portmap(place.run, place.netns).start()
    ganesha(place, options).start(exports(place))


def serves(place: Place, options: LinuxOptions) -> bool:
    """True if the NFS server answers, on the server's interfaces, and serves what it should."""
    server = ganesha(place, options)
    served = server.serving()
    if served is None or any(item.id not in served for item in exports(place)):
        return False
    network = load(place.network_path, NetworkRecord)
    return network is None or server.links() >= {item.name for item in network.interfaces}


@step("server.create.serving")
def await_nfs(place: Place, options: LinuxOptions) -> None:
    """The NFS server answers and serves every share that is mounted."""
    server = ganesha(place, options)
    served = server.ready()
    wanted = exports(place)
    server.save(wanted)
    for export in wanted:
        if export.id not in served:
            server.put(export)


def kill_nfs(place: Place, options: LinuxOptions) -> None:
    """The processes of the server are ending; `remove_nfs` waits for them."""
    ganesha(place, options).kill()


@step("server.delete.nfs")
def remove_nfs(place: Place, options: LinuxOptions) -> None:
    """No process of the server is left."""
    ganesha(place, options).stop()
    Portmap(place.run, place.netns).stop()


def publish(place: Place, options: LinuxOptions, share: ShareRecord) -> None:
    """The share is exported with the rules of its record; durable first, then live."""
    server = ganesha(place, options)
    server.save(exports(place))
    server.put(export_of(place, share))


def withdraw(place: Place, options: LinuxOptions, share: ShareRecord) -> None:
    """The share is exported no more; its record must not be among the wanted ones."""
    server = ganesha(place, options)
    if server.daemon.identity() is not None:
        server.save([item for item in exports(place) if item.id != share.export_id])
        server.drop(share.export_id)


@step("server.delete.files")
def remove_files(place: Place) -> None:
    """Nothing of the server is left in the file system."""
    shutil.rmtree(place.run, ignore_errors=True)
    for folder in (place.run.parent, place.run.parent.parent, RUN_PATH):
        # Ours while they are empty: other servers, backends and deployments are in them too.
        with suppress(OSError):
            folder.rmdir()
    shutil.rmtree(place.home, ignore_errors=True)
