"""A share server: namespace, interfaces, storage, NFS; made, mended, checked, removed.

The lock of the server is held by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from abaca.drivers.linux import nfs, storage
from abaca.drivers.linux.layout import NetworkRecord, Place, load
from abaca.drivers.linux.network import (
    ensure_interfaces,
    kept_apart,
    namespace_of,
    record_interfaces,
    remove_interfaces,
)
from abaca.drivers.linux.options import LinuxOptions
from abaca.linux import netns as namespaces
from abaca.linux.command import Running
from abaca.linux.fabric import LinuxFabric
from abaca.linux.firewall import begun_firewall
from abaca.linux.ganesha import MOUNT_PORT, NFS_PORT
from abaca.steps import step


def ensure_single(place: Place, options: LinuxOptions) -> None:
    """The backend's one server runs, in this process's own network namespace."""
    make_record(place, options)
    _revive(place, options)
    storage.restore(place)
    nfs.start_nfs(place, options)
    nfs.await_nfs(place, options)


def ensure(
    place: Place, options: LinuxOptions, fabric: LinuxFabric, network: NetworkRecord
) -> None:
    """The share server runs on these interfaces."""
    make_record(place, options)
    nfs.begin_nfs(place, options)
    make_namespace(place)
    # The filter is made while the NFS server starts.
    with begin_firewall(place, options, network) as rules:
        _revive(place, options)
        storage.restore(place)
        nfs.start_nfs(place, options)
        # It waits for the disk meanwhile.
        record_interfaces(place, network)
        # In force before there is a way in.
        end_firewall(rules)
    ensure_interfaces(place, fabric, network)
    nfs.await_nfs(place, options)


def remove(place: Place, options: LinuxOptions, fabric: LinuxFabric | None) -> None:
    """Nothing of the server is left."""
    nfs.kill_nfs(place, options)
    if fabric is not None:
        # Meanwhile its processes end: both are waits for the kernel.
        remove_interfaces(place, fabric)
    nfs.remove_nfs(place, options)
    storage.remove_all(place)
    remove_namespace(place)
    nfs.remove_files(place)


def serves(place: Place, options: LinuxOptions) -> bool:
    """True if everything is there and the NFS server answers."""
    if place.netns is not None and not namespaces.exists(place.netns):
        return False
    whole = place.exists and storage.all_mounted(place) and not storage.revivable(place)
    return whole and nfs.serves(place, options)


def _revive(place: Place, options: LinuxOptions) -> None:
    """Images that take no writes any more, though there is room now, are to be mounted anew.

    For that nobody may use them: the NFS server is started again, too.
    """
    if storage.revivable(place):
        nfs.remove_nfs(place, options)
        storage.close_read_only(place)


def details(place: Place, options: LinuxOptions) -> Mapping[str, str]:
    """What an administrator wants to know of the server."""
    identity = nfs.ganesha(place, options).daemon.identity()
    told = {
        "namespace": place.netns or "",
        "storage": str(place.home),
        "nfs_versions": ", ".join(str(version) for version in options.nfs_versions),
        "pid": str(identity[0]) if identity is not None else "",
    }
    record = load(place.network_path, NetworkRecord)
    every = record.interfaces if record is not None else ()
    interfaces = [item for item in every if not item.admin]
    admin = [address for item in every if item.admin for address in item.addresses]
    if admin:
        told["admin_addresses"] = ", ".join(admin)
    seen: Mapping[str, Sequence[object]] = {
        "addresses": [address for item in interfaces for address in item.addresses],
        "network_type": [item.network_type for item in interfaces],
        "segmentation_id": [item.segmentation_id for item in interfaces],
        "physical_network": [item.physical_network for item in interfaces],
        "mtu": [item.mtu for item in interfaces],
        "mac_address": [item.mac_address for item in interfaces],
    }
    for name, values in seen.items():
        told[name] = ", ".join(str(value) for value in values if value is not None)
    return told


@step("server.create.record")
def make_record(place: Place, options: LinuxOptions) -> None:
    """The server's directory is there: from now on the inventory knows it."""
    there = place.netns is not None and namespaces.exists(place.netns)
    new = not (place.exists or place.run.is_dir() or there)
    for name in ("snapshots", "images", "shares"):
        (place.home / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    place.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    if new:
        nfs.never_started(place, options)


@step("server.create.namespace")
def make_namespace(place: Place) -> None:
    """The server's network namespace is there."""
    if place.netns is not None:
        namespaces.ensure_namespace(place.netns)


def begin_firewall(
    place: Place, options: LinuxOptions, network: NetworkRecord
) -> AbstractContextManager[Running]:
    """The namespace comes to admit NFS only, by its own way each."""
    ports = [NFS_PORT, MOUNT_PORT] if 3 in options.nfs_versions else [NFS_PORT]  # noqa: PLR2004
    return begun_firewall(namespace_of(place), ports, kept_apart(network))


@step("server.create.firewall")
def end_firewall(rules: Running) -> None:
    """It does; before it has these interfaces."""
    rules.end()


@step("server.delete.namespace")
def remove_namespace(place: Place) -> None:
    """The namespace is gone."""
    if place.netns is not None:
        namespaces.remove_namespace(place.netns)
