"""What a fake backend has made, which can be kept in a file."""

from __future__ import annotations

from ipaddress import ip_network

import msgspec

from abaca.drivers.driver import AccessLevel, AccessRule, Oddity


class FakeServer(msgspec.Struct):
    """A share server that was made."""

    addresses: list[str]
    admin_addresses: list[str] = []
    serving: bool = True
    left: bool = False
    """Nobody's: it was unmanaged."""


class FakeShare(msgspec.Struct):
    """A share that was made. ``content`` stands for its data."""

    server: str | None
    size_gib: int
    export_id: int
    content: str = ""
    used_gib: int = 0
    exported: bool = True
    rules: list[tuple[str, str]] = []
    project: str = ""


class FakeSnapshot(msgspec.Struct):
    """A snapshot that was taken."""

    share: str
    content: str
    used_gib: int


class FakeWorld(msgspec.Struct):
    """Everything that exists for one backend, by the IDs that Abaca gave."""

    servers: dict[str, FakeServer] = {}
    shares: dict[str, FakeShare] = {}
    snapshots: dict[str, FakeSnapshot] = {}
    strays: list[str] = []
    """Parts that somebody made behind the driver's back."""

    def reboot(self) -> None:
        """What a reboot takes: servers no longer serve, exports are gone; data stays."""
        for server in self.servers.values():
            server.serving = False
        for share in self.shares.values():
            share.exported = False

    def access(self) -> dict[str, frozenset[AccessRule]]:
        """The rules in force of each share that is exported."""
        return {
            key: frozenset(
                AccessRule(network=ip_network(network), level=AccessLevel(level))
                for network, level in item.rules
            )
            for key, item in self.shares.items()
            if item.exported
        }

    def oddities(self) -> list[Oddity]:
        """Parts that nobody made; shares without their server, snapshots without their share."""
        found = [
            Oddity(kind="part", name=item, missing=False, of=None, holds_data=False)
            for item in self.strays
        ]
        parents = [
            *((key, item.server) for key, item in self.shares.items()),
            *((key, item.share) for key, item in self.snapshots.items()),
        ]
        there = {None, *self.servers, *self.shares}
        return found + [
            Oddity(kind="parent", name=f"{parent} of {key}", missing=True, of=key)
            for key, parent in parents
            if parent not in there
        ]
