"""What serves the shares, against the records: links, NFS servers, their exports.

As `abaca.drivers.linux.oddities`: nothing is locked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from abaca.drivers.driver import AccessLevel, AccessRule, Oddity
from abaca.drivers.linux import nfs
from abaca.drivers.linux.layout import (
    RUN_PATH,
    Layout,
    NetworkRecord,
    Place,
    ShareRecord,
    load,
)
from abaca.drivers.linux.network import wire_of
from abaca.drivers.linux.options import LinuxOptions
from abaca.errors import LinuxError
from abaca.linux import netns
from abaca.linux.bus import BusError
from abaca.linux.command import process_identity
from abaca.linux.fabric import LinuxFabric
from abaca.linux.ganesha import Client, spelled
from abaca.linux.survey import Survey, full_name, port_name

LINK, PROCESS, EXPORT = "link", "process", "export"
NFS_PROGRAM = "ganesha.nfsd"
PROGRAMS = frozenset({NFS_PROGRAM, "dbus-daemon", "rpcbind"})


def links(layout: Layout, fabric: LinuxFabric) -> list[Oddity]:
    """Interfaces of share servers, all that they need on this host, and what nobody needs."""
    survey = fabric.survey()
    found = [
        item
        for place in layout.places()
        if not place.left_path.exists()
        for item in _of_server(place, survey)
    ]
    return found + [
        Oddity(kind=LINK, name=name, missing=False, of=None, holds_data=False)
        for name in (*survey.unused(), *_stray_ports(layout, survey))
    ]


def _stray_ports(layout: Layout, survey: Survey) -> Iterator[str]:
    """Those of nobody. A server whose namespace has gone is told as such, and gets another."""
    noted = {name for place in layout.places() for name in _ports(layout, place)}
    yield from (name for name in survey.strays() if name not in noted)
    yield from (dead_port(name) for name in survey.dead_ports() if name not in noted)


def _ports(layout: Layout, place: Place) -> Iterator[str]:
    """Where the server is plugged in, by its record."""
    record = load(place.network_path, NetworkRecord)
    if record is not None and place.netns is not None:
        yield from (port_name(layout.deployment, place.netns, i.name) for i in record.interfaces)


def dead_port(name: str) -> str:
    """What a port of Open vSwitch without a link is called."""
    return f"{name} of Open vSwitch"


def _of_server(place: Place, survey: Survey) -> Iterator[Oddity]:
    record = load(place.network_path, NetworkRecord)
    if record is None or place.netns is None or not netns.exists(place.netns):
        return
    for item in record.interfaces:
        for name in survey.lacking(place.netns, item.name, wire_of(item)):
            yield Oddity(kind=LINK, name=name, missing=True, of=place.key, holds_data=False)
    for name in survey.beyond(place.netns, {item.name for item in record.interfaces}):
        there = full_name(place.netns, name)
        yield Oddity(kind=LINK, name=there, missing=False, of=place.key, holds_data=False)


def of_nfs(place: Place, options: LinuxOptions) -> Iterator[Oddity]:
    """The NFS server of a place that should have one, and what it exports."""
    if place.netns is None:
        made = bool(place.projects())
    else:
        made = place.network_path.exists() and netns.exists(place.netns)
    served = nfs.ganesha(place, options).serving()
    if served is None:
        if made:
            name = f"{NFS_PROGRAM} of {place.key}"
            yield Oddity(kind=PROCESS, name=name, missing=True, of=place.key, holds_data=False)
        return
    # Read after what is served: what was exported in between is in a record.
    shares = {item.export_id: item.id for item in place.shares() if item.served}
    wanted = {item.id for item in nfs.exports(place)}
    for number in sorted(wanted - served):
        yield _export(place, number, of=shares.get(number, place.key), missing=True)
    for number in sorted(served - shares.keys() - {nfs.PSEUDO_EXPORT}):
        yield _export(place, number, of=place.key, missing=False)


def access(place: Place, options: LinuxOptions) -> Iterator[tuple[str, frozenset[AccessRule]]]:
    """Each share that is served, with the rules that its NFS server goes by."""
    server = nfs.ganesha(place, options)
    served = server.serving() or set()
    for share in place.shares():
        if share.served and share.export_id in served:
            # One that is withdrawn just now has no rules to be compared.
            with suppress(BusError):
                yield share.id, _in_force(share, server.clients(share.export_id))


def _in_force(share: ShareRecord, clients: Collection[Client] | None) -> frozenset[AccessRule]:
    """In the words of the share's rules, as far as those explain the clients.

    One rule may be several clients. Where they can't be told, no rule is known to be in force.
    """
    if clients is None:
        return frozenset()
    there = {(item.network, item.writes) for item in clients}
    rules, explained = set(), set()
    for rule in share.rules:
        network = ip_network(rule.network)
        parts = {(ip_network(text), rule.writes) for text in spelled(network).split(", ")}
        if parts <= there:
            rules.add((network, rule.writes))
            explained |= parts
    levels = {True: AccessLevel.READ_WRITE, False: AccessLevel.READ_ONLY}
    return frozenset(
        AccessRule(network=network, level=levels[writes])
        for network, writes in rules | (there - explained)
    )


def _export(place: Place, number: int, *, of: str, missing: bool) -> Oddity:
    name = f"{number} of {place.key}"
    return Oddity(kind=EXPORT, name=name, missing=missing, of=of, holds_data=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A process that was started for a share server of this deployment."""

    program: str
    identity: tuple[int, int]
    run: Path
    """The directory of its server."""

    @property
    def oddity(self) -> Oddity:
        """As one that no server of this host has."""
        name = f"{self.program} {self.identity[0]} of {self.run}"
        key = self.run.name
        return Oddity(kind=PROCESS, name=name, missing=False, of=key, holds_data=False)


def stray_daemons(layout: Layout) -> list[Daemon]:
    """Those of servers that are not there: their directories go last, after all processes.

    A backend of which nothing is left here can't say; its directory is gone too.
    """
    return [item for item in _daemons(layout.deployment) if _is_stray(layout, item)]


def _is_stray(layout: Layout, item: Daemon) -> bool:
    if item.run.parent == layout.run and not (layout.root / item.run.name).is_dir():
        return True
    return not item.run.is_dir()


def _daemons(deployment: str) -> Iterator[Daemon]:
    folder = re.compile(re.escape(f"{RUN_PATH / deployment}/") + r"[^/\0]+/[^/\0]+(?=/)")
    for entry in Path("/proc").iterdir():
        with suppress(OSError, LinuxError):
            said = os.fsdecode((entry / "cmdline").read_bytes()) if entry.name.isdigit() else ""
            program, found = Path(said.partition("\0")[0]).name, folder.search(said)
            if found is not None and program in PROGRAMS:
                who = process_identity(int(entry.name))
                yield Daemon(program=program, identity=who, run=Path(found[0]))
