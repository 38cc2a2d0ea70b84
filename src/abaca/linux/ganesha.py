"""NFS-Ganesha: its configuration, and one running instance with its exports.

Exports are added, changed and removed over D-Bus, one at a time, without
disturbing the others; the configuration file always holds all of them too, so
that an instance that died serves them again when it is started.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path

from jeepney import DBusAddress

from abaca.errors import LinuxError
from abaca.linux import netns as namespaces
from abaca.linux.bus import Bus, BusError
from abaca.linux.daemon import Daemon, NotReady
from abaca.linux.files import write_whole

MOST_EXPORTS = 65535
"""Export IDs have 16 bits."""
NFS_PORT = 2049
MOUNT_PORT = 20048
"""NFSv3's mount protocol; NFSv4 does not use it."""

_EXPORTS = DBusAddress(
    "/org/ganesha/nfsd/ExportMgr",
    bus_name="org.ganesha.nfsd",
    interface="org.ganesha.nfsd.exportmgr",
)
_LOOK = 0.5
"""Seconds between looks at whether one that is starting still runs."""
_PAUSE = 0.01
_MIB = 1 << 20
_LONGEST_PREFIX = 99
_MOST_ADDRESSES = 256
_WRITES = 0x40
"""EXPORT_OPTION_WRITE_ACCESS of its nfs_exports.h, in the options of a client."""


class Unspeakable(LinuxError):
    """NFS-Ganesha's configuration has no words for this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Hosts that may use an export, and whether they may write."""

    network: IPv4Network | IPv6Network
    writes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A directory that is served. Without clients, nobody gets it."""

    id: int
    """1 to `MOST_EXPORTS`. It is in every file handle, so a reused one makes old handles lie."""
    path: Path
    pseudo: str
    """The path that clients mount."""
    clients: tuple[Client, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GaneshaOptions:
    """How an instance serves."""

    versions: tuple[int, ...] = (4,)
    bind: IPv4Address | IPv6Address | None = None
    """Serve on this address only; None: on every address of the namespace."""


def render_export(export: Export, versions: Sequence[int]) -> str:
    """The export's block of configuration; of its clients the most specific network decides."""
    # The first block that fits wins, hence longest prefix first; a read-only rule before a
    # read-write one of the same network, so that a contradiction gives less, not more.
    ordered = sorted(
        export.clients,
        key=lambda client: (-client.network.prefixlen, client.writes, str(client.network)),
    )
    protocols = ", ".join(str(version) for version in versions)
    blocks = "".join(
        f"  CLIENT {{ Clients = {spelled(client.network)}; Protocols = {protocols}; "
        f"Access_Type = {'RW' if client.writes else 'RO'}; }}\n"
        for client in ordered
    )
    return (
        "EXPORT {\n"
        f"  Export_Id = {export.id};\n"
        f"  Path = {_quoted(str(export.path))};\n"
        f"  Pseudo = {_quoted(export.pseudo)};\n"
        f"  Protocols = {protocols};\n"
        "  Transports = TCP;\n"
        "  SecType = sys;\n"
        "  Squash = No_Root_Squash;\n"
        "  Access_Type = None;\n"
        f"  MaxRead = {_MIB};\n"
        f"  MaxWrite = {_MIB};\n"
        "  FSAL { Name = VFS; }\n"
        f"{blocks}"
        "}\n"
    )


def spelled(network: IPv4Network | IPv6Network) -> str:
    """The network as NFS-Ganesha 4 can read it.

    Its scanner knows no ``/0`` and, in IPv6, no prefix of three digits: those
    are written as two halves or as single addresses. Raises `Unspeakable` for
    IPv6 networks from /100 to /119, which are too large for that.
    """
    if network.prefixlen == 0:
        return ", ".join(str(half) for half in network.subnets())
    if network.version == 4 or network.prefixlen <= _LONGEST_PREFIX:  # noqa: PLR2004
        return str(network)
    if network.num_addresses > _MOST_ADDRESSES:
        raise Unspeakable(
            f"{network}: NFS-Ganesha can't be told of IPv6 networks from /100 to /119; "
            "write a shorter prefix, or several rules from /120 on"
        )
    return ", ".join(str(address) for address in network)


def render(options: GaneshaOptions, recovery: Path, exports: Sequence[Export]) -> str:
    """A whole configuration file."""
    bind = f"  Bind_addr = {options.bind};\n" if options.bind is not None else ""
    core = (
        "NFS_CORE_PARAM {\n"
        f"  Protocols = {', '.join(str(version) for version in options.versions)};\n"
        f"  NFS_Port = {NFS_PORT};\n"
        f"  MNT_Port = {MOUNT_PORT};\n"
        f"{bind}"
        "  Enable_NLM = false;\n"
        "  Enable_RQUOTA = false;\n"
        "  Enable_UDP = false;\n"
        "  Mount_Path_Pseudo = true;\n"
        "}\n"
        "NFSv4 {\n"
        "  Graceless = false;\n"
        "  Grace_Period = 15;\n"
        "  Lease_Lifetime = 10;\n"
        f"  RecoveryRoot = {_quoted(str(recovery))};\n"
        "  Only_Numeric_Owners = true;\n"
        "}\n"
        f"NFS_KRB5 {{ Active_krb5 = false; CCacheDir = {_quoted(str(recovery))}; }}\n"
        "LOG { Default_Log_Level = EVENT; }\n"
    )
    return core + "".join(render_export(export, options.versions) for export in exports)


class Ganesha:
    """One instance. ``folder`` is for run time; ``home`` for what outlives a reboot."""

    def __init__(
        self, *, folder: Path, home: Path, netns: str | None, options: GaneshaOptions
    ) -> None:
        self._folder = folder
        self._netns = netns
        self._options = options
        self._recovery = home / "recovery"
        self._configuration = folder / "ganesha.conf"
        self.bus = Bus(folder)
        self.daemon = Daemon(
            program="ganesha.nfsd",
            marker=str(self._configuration),
            record=folder / "ganesha.identity",
            log=home / "ganesha.log",
        )

    def start(self, exports: Sequence[Export]) -> None:
        """It runs, or has been started with these exports: `ready` waits until it answers."""
        if self.daemon.identity() is not None:
            if self.answers():
                return
            self.daemon.stop(timeout=5)
        self._recovery.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.save(exports)
        self.bus.start()
        argv = ["ganesha.nfsd", "-F", "-f", str(self._configuration)]
        argv += ["-p", str(self._folder / "ganesha.pid"), "-L", str(self.daemon.log)]
        env = {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address, "MALLOC_ARENA_MAX": "2"}
        self.daemon.launch(argv, netns=self._netns, env=env)

    def ready(self, patience: float = 20) -> set[int]:
        """IDs of the exports that it serves, as soon as it answers.

        LinuxError if it has ended; NotReady if it only does not answer in time.
        """
        deadline = time.monotonic() + patience
        while True:
            served = self._first_served()
            if served is not None:
                return served
            if self.daemon.identity() is None:
                raise LinuxError(f"NFS-Ganesha does not start: {self.daemon.last_words()}")
            if time.monotonic() > deadline:
                raise NotReady(f"NFS-Ganesha does not answer yet: {self.daemon.last_words()}")
            time.sleep(_PAUSE)

    def kill(self) -> None:
        """It and its bus are ending: `stop` waits until they are gone."""
        # Not asked first: all that a client was told is written is the kernel's by then.
        self.daemon.kill()
        self.bus.daemon.kill()

    def stop(self) -> None:
        """It and its bus are gone; succeeds on unknown."""
        self.daemon.stop(timeout=0)
        self.bus.stop()

    def save(self, exports: Sequence[Export]) -> None:
        """These are the exports that it starts with the next time."""
        text = render(self._options, self._recovery, exports)
        with suppress(FileNotFoundError):
            if self._configuration.read_text(encoding="utf-8") == text:
                return
        write_whole(self._configuration, text, durable=False)

    def put(self, export: Export) -> None:
        """Serve the directory exactly so; clients of other exports notice nothing."""
        known = export.id in self.served()
        draft = self._folder / f"export-{export.id}.conf"
        write_whole(draft, render_export(export, self._options.versions), durable=False)
        try:
            method = "UpdateExport" if known else "AddExport"
            body = (str(draft), f"EXPORT(Export_Id={export.id})")
            said = str(self.bus.call(_EXPORTS, method, "ss", body))
        finally:
            draft.unlink(missing_ok=True)
        if "rror" in said:
            # It drops what it can't read, and calls that success.
            raise BusError(f"{method} of export {export.id}: {said}")

    def drop(self, export_id: int) -> None:
        """Serve it no more; succeeds on unknown."""
        if export_id in self.served():
            self.bus.call(_EXPORTS, "RemoveExport", "q", (export_id,))

    def served(self) -> set[int]:
        """IDs of the exports served now."""
        return _ids(self.bus.call(_EXPORTS, "ShowExports", timeout=10))

    def _first_served(self) -> set[int] | None:
        """As `serving`, of one that may still be starting: it is given a moment."""
        if not self._is_in_place():
            return None
        try:
            listed = self.bus.first_call(_EXPORTS, "ShowExports", within=_LOOK, timeout=10)
            return None if listed is None else _ids(listed)
        except BusError:
            return None

    def clients(self, export_id: int) -> frozenset[Client] | None:
        """Those of an export that is served; None if one is named otherwise than we do."""
        listed = self.bus.call(_EXPORTS, "DisplayExport", "q", (export_id,), timeout=10)[-1]
        if not isinstance(listed, list):
            raise BusError(f"DisplayExport answered {listed!r}")
        try:
            return frozenset(
                Client(network=ip_network(item[0]), writes=bool(item[-2] & _WRITES))
                for item in listed
            )
        except (ValueError, TypeError, IndexError):
            return None

    def answers(self) -> bool:
        """As `serving` is not None."""
        return self.serving() is not None

    def serving(self) -> set[int] | None:
        """IDs of the exports that it serves; None if it does not run, or not where we need it.

        That is in its own network namespace, where it sees the mounts that we see.
        """
        if not self._is_in_place():
            return None
        try:
            return self.served()
        except BusError:
            return None

    def links(self) -> set[str]:
        """Names of the links in the network namespace that it runs in; none if it does not run."""
        running = self.daemon.identity()
        if running is None:
            return set()
        try:
            lines = Path(f"/proc/{running[0]}/net/dev").read_text().splitlines()
        except OSError:
            return set()
        return {line.partition(":")[0].strip() for line in lines if ":" in line}

    def _is_in_place(self) -> bool:
        """False for no process, or one elsewhere: it would serve what is underneath, or nobody.

        A namespace that was removed lives on with its processes, and another one
        may have its name by now.
        """
        running = self.daemon.identity()
        if running is None:
            return False
        ours = Path("/proc/thread-self/ns/net")
        network = ours if self._netns is None else namespaces.path(self._netns)
        try:
            seen = Path(f"/proc/{running[0]}/ns")
            same_mounts = (seen / "mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
            return same_mounts and (seen / "net").stat().st_ino == network.stat().st_ino
        except OSError:
            return False


def _ids(answer: tuple[object, ...]) -> set[int]:
    """Of the exports that ShowExports lists."""
    listed = answer[1]
    if not isinstance(listed, list):
        raise BusError(f"ShowExports answered {listed!r}")
    return {int(item[0]) for item in listed}


def _quoted(text: str) -> str:
    if '"' in text or "\n" in text:
        raise LinuxError(f"{text!r} can't be written into NFS-Ganesha's configuration")
    return f'"{text}"'
