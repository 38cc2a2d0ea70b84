"""The reference driver: every verb of the contract, under the lock of its server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_interface
from typing import ClassVar, Self

from oslo_config import cfg

from abaca.drivers.driver import (
    AccessLevel,
    AccessRule,
    BackendHost,
    ExportLocation,
    Inventory,
    Locality,
    Oddity,
    Pool,
    Server,
    Share,
    Snapshot,
)
from abaca.drivers.fabric import HostFabric
from abaca.drivers.linux import nfs, oddities, oddities_serving, server, storage, wires
from abaca.drivers.linux.discard import Discard, place_of
from abaca.drivers.linux.failures import translated
from abaca.drivers.linux.layout import (
    LOCKS,
    SINGLE,
    Layout,
    NetworkRecord,
    Place,
    Rule,
    load,
)
from abaca.drivers.linux.network import wanted_network
from abaca.drivers.linux.options import OPTIONS, LinuxOptions, faults, parse
from abaca.drivers.linux.prepare import check_programs, lacking
from abaca.drivers.linux.share import Shares
from abaca.errors import ConfigError, DriverError
from abaca.linux.fabric import LinuxFabric
from abaca.linux.links import IPAddress
from abaca.linux.lock import locked
from abaca.modes import DriverMode
from abaca.network.helper import FlatHelper, ManagedHelper
from abaca.network.plugin import Segment


class LinuxDriver:
    """Share servers on this host: namespaces, NFS-Ganesha, btrfs images."""

    name: ClassVar[str] = "linux"
    modes: ClassVar[frozenset[DriverMode]] = frozenset(DriverMode)
    protocols: ClassVar[frozenset[str]] = frozenset({"NFS"})
    locality: ClassVar[Locality] = Locality.HOST
    options: ClassVar[tuple[cfg.Opt, ...]] = OPTIONS

    def __init__(
        self, options: LinuxOptions, host: BackendHost, fabric: LinuxFabric | None
    ) -> None:
        self._options = options
        self._host = host
        self._fabric = fabric
        self._layout = Layout.of(options.storage_path, host)

    @classmethod
    def faults(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What is wrong with a backend section, one line per fault."""
        return faults(section, values, mode)

    @classmethod
    def admin_faults(cls, section: str, values: Mapping[str, object]) -> list[str]:
        """What a backend section lacks for a network of the administrators'."""
        return wires.admin_faults(section, values)

    @classmethod
    def from_config(cls, section: str, values: Mapping[str, object], host: BackendHost) -> Self:
        """The driver for a section without faults; ConfigError if it has some."""
        found = cls.faults(section, values, host.mode)
        if found:
            raise ConfigError(found)
        fabric = None
        if host.mode.has_share_servers:
            fabric = LinuxFabric(wires.parse(values, host.deployment))
        return cls(parse(values), host, fabric)

    @classmethod
    def findings(cls, section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
        """What `start` would refuse, on this host and in this network namespace."""
        with translated():
            lines = lacking(parse(values), mode)
            if mode.has_share_servers:
                lines += LinuxFabric(wires.parse(values, "check")).probe()
        return [f"[{section}] {line}" for line in lines]

    @classmethod
    def outlet(cls, values: Mapping[str, object], segment: Segment) -> str | None:
        """The bridge or uplink that the mappings name, with the VLAN; else the segment's number."""
        if wires.faults("", values):
            return None
        return wires.outlet(wires.parse(values, "check"), segment)

    def start(self) -> None:
        """Check what is needed; bring the single server back.

        Share servers are brought back by `ensure_server`: only the manager
        knows whether their addresses are still theirs.
        """
        with translated():
            check_programs(self._options, self._host.mode)
            self._layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._fabric is not None:
                missing = self._fabric.probe()
                if missing:
                    raise DriverError("\n".join(missing))
            else:
                place = self._layout.place(None)
                with self._operation(place):
                    if not self._retire(place):
                        server.ensure_single(place, self._options)

    def pools(self) -> list[Pool]:
        """The one pool of the backend."""
        with translated():
            return [storage.pool(self._layout, self._options, self._host.backend)]

    def ensure_server(self, item: Server, network: FlatHelper | ManagedHelper) -> Mapping[str, str]:
        """The server exists on the helper's interfaces, with all its shares, and serves."""
        wanted = wanted_network(self._host.mode, network)
        place = self._layout.place(item.key)
        with translated(), self._operation(place):
            server.ensure(place, self._options, self._wires, wanted)
            place.left_path.unlink(missing_ok=True)
            return server.details(place, self._options)

    def server_addresses(self, item: Server, options: Mapping[str, str]) -> list[IPAddress]:
        """Those of the interfaces of a share server that this deployment made and left."""
        del options
        place = self._layout.place(item.key)
        with translated():
            network = load(place.network_path, NetworkRecord)
        if network is None or item.key in {SINGLE, LOCKS}:
            raise DriverError(f"there is no share server {item.key} on this host")
        return [ip_interface(text).ip for nic in network.interfaces for text in nic.addresses]

    def leave_server(self, item: Server) -> None:
        """It stays as it runs; the inventory does not show it until it is adopted."""
        place = self._layout.place(item.key)
        with translated(), self._operation(place):
            if place.exists:
                place.left_path.touch()

    def remove_server(self, item: Server) -> None:
        """The server is gone with all that was made for it."""
        place = self._layout.place(item.key)
        with translated(), self._operation(place):
            server.remove(place, self._options, self._fabric)

    def ensure_share(self, share: Share, source: Snapshot | None) -> list[ExportLocation]:
        """The share exists, with its quota, and is exported with the rules that it had."""
        place = self._place(share)
        with translated(), self._operation(place):
            self._serving(place)
            self._shares(place).ensure(share, source)
            return self._locations(place, share)

    def remove_share(self, share: Share) -> None:
        """The share is gone, with its data and export."""
        place = self._place(share)
        with translated(), self._operation(place):
            self._shares(place).remove(share)
            self._retire(place)

    def resize_share(self, share: Share) -> None:
        """The quota is ``share.size_gib``."""
        place = self._place(share)
        with translated(), self._operation(place):
            self._shares(place).resize(share)

    def transfer_share(self, share: Share) -> None:
        """It is in the image of ``share.project_id``, with its snapshots; clients mount it anew."""
        place = self._place(share)
        with translated(), self._operation(place):
            self._serving(place)
            self._shares(place).transfer(share)

    def apply_access(self, share: Share, rules: Sequence[AccessRule]) -> None:
        """Exactly these rules are in force."""
        place = self._place(share)
        wanted = tuple(
            Rule(network=str(rule.network), writes=rule.level is AccessLevel.READ_WRITE)
            for rule in rules
        )
        with translated(), self._operation(place):
            self._serving(place)
            self._shares(place).apply(share, wanted)

    def ensure_snapshot(self, snapshot: Snapshot) -> None:
        """The snapshot exists."""
        place = self._place(snapshot.share)
        with translated(), self._operation(place):
            self._shares(place).snapshot(snapshot)

    def remove_snapshot(self, snapshot: Snapshot) -> None:
        """The snapshot is gone."""
        place = self._place(snapshot.share)
        with translated(), self._operation(place):
            self._shares(place).remove_snapshot(snapshot)
            self._retire(place)

    def revert_share(self, snapshot: Snapshot) -> None:
        """The share has the snapshot's content; its clients must mount it anew."""
        place = self._place(snapshot.share)
        with translated(), self._operation(place):
            self._serving(place)
            self._shares(place).revert(snapshot)

    def check_server(self, item: Server | None) -> bool:
        """True if the server's parts are there and its NFS server answers."""
        place = self._layout.place(None if item is None else item.key)
        with translated():
            idle = place.netns is None and not place.projects()
            return idle or server.serves(place, self._options)

    def inventory(self) -> Inventory:
        """What exists for this backend, whole or in part."""
        with translated():
            places = [place for place in self._layout.places() if not place.left_path.exists()]
            return Inventory(
                servers=frozenset(place.key for place in places if place.netns is not None),
                shares=frozenset(share.id for place in places for share in place.shares()),
                snapshots=frozenset(item.id for place in places for item in place.snapshots()),
            )

    def access(self) -> dict[str, frozenset[AccessRule]]:
        """The rules that the NFS servers go by, of each share that is exported."""
        with translated():
            places = [place for place in self._layout.places() if not place.left_path.exists()]
            return {
                share: rules
                for place in places
                for share, rules in oddities_serving.access(place, self._options)
            }

    def oddities(self) -> list[Oddity]:
        """Where this host and the records differ, in what holds the data and in what serves it."""
        with translated():
            return oddities.oddities(self._layout, self._options, self._fabric)

    def discard(self, oddity: Oddity) -> bool:
        """A part of no server, or of none of its records, is gone."""
        parts = Discard(layout=self._layout, options=self._options, fabric=self._fabric)
        with translated():
            if oddity.of is None:
                return parts.part(oddity)
            with self._operation(place_of(self._layout, oddity)):
                return parts.part(oddity)

    @property
    def fabric(self) -> HostFabric | None:
        """The wires of this host, for plugins that make routers; single_svm has none."""
        return None if self._fabric is None else HostFabric(self._fabric)

    @property
    def _wires(self) -> LinuxFabric:
        if self._fabric is None:
            raise DriverError(f"backend {self._host.backend} is {self._host.mode}: it has no wires")
        return self._fabric

    def _place(self, share: Share) -> Place:
        return self._layout.place(None if share.server is None else share.server.key)

    def _shares(self, place: Place) -> Shares:
        return Shares(place, self._layout, self._options)

    def _serving(self, place: Place) -> None:
        """The server is up, or is brought up again as far as it can be without the helper."""
        if place.netns is None:
            server.make_record(place, self._options)
        elif not place.exists:
            raise DriverError(f"share server {place.key} does not exist: ensure it first")
        if server.serves(place, self._options):
            return
        if place.netns is None:
            server.ensure_single(place, self._options)
            return
        network = load(place.network_path, NetworkRecord)
        if network is None:
            raise DriverError(f"share server {place.key} has no interfaces yet: ensure it first")
        server.ensure(place, self._options, self._wires, network)

    def _retire(self, place: Place) -> bool:
        """The single server runs while it has shares or snapshots; True if it has none."""
        if place.netns is not None or place.projects():
            return False
        if place.exists:
            server.remove(place, self._options, None)
        return True

    def _locations(self, place: Place, share: Share) -> list[ExportLocation]:
        path = nfs.export_path(share.id)
        return [
            ExportLocation(
                path=f"[{address}]:{path}" if ":" in address else f"{address}:{path}",
                is_admin_only=admin,
            )
            for address, admin in self._addresses(place)
        ]

    def _addresses(self, place: Place) -> list[tuple[str, bool]]:
        """Each, and whether it is for administrators only."""
        if place.netns is None:
            return [(str(address), False) for address in self._options.export_addresses]
        network = load(place.network_path, NetworkRecord)
        interfaces = network.interfaces if network is not None else ()
        return [
            (text.partition("/")[0], item.admin) for item in interfaces for text in item.addresses
        ]

    @contextmanager
    def _operation(self, place: Place) -> Iterator[None]:
        """Nobody else works on this server; its lock file goes with it."""
        with locked(place.lock, timeout=self._options.operation_timeout):
            yield
            if not place.exists:
                place.lock.unlink(missing_ok=True)
