"""Ports on Open vSwitch bridges that an administrator made, by ``ovs-vsctl``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from abaca.errors import CommandFailed, LinuxError
from abaca.linux.lock import run_holding

DEFAULT_SOCKET = Path("/run/openvswitch/db.sock")

_NO_SUCH_BRIDGE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVSwitch:
    """The switch behind one database socket; ``owner`` marks the ports that are ours."""

    socket: Path
    owner: str

    @property
    def answers(self) -> bool:
        """True if there is a database to ask."""
        return self.socket.is_socket()

    def has_bridge(self, name: str) -> bool:
        """True if a bridge of this name exists."""
        if not self.answers:
            return False
        try:
            self._vsctl("br-exists", name)
        except CommandFailed as failure:
            if failure.code == _NO_SUCH_BRIDGE:
                return False
            raise
        return True

    def ensure_port(self, bridge: str, port: str, tag: int | None) -> None:
        """The link is a port of the bridge, with this VLAN tag (None: trunk), and works."""
        marks = [f"external_ids:abaca={self.owner}"]
        tagged = ["set", "Port", port, *marks, *([f"tag={tag}"] if tag is not None else [])]
        untagged = ["--", "clear", "Port", port, "tag"] if tag is None else []
        add = ["add-port", bridge, port, "--", *tagged, *untagged]
        try:
            self._vsctl("--may-exist", *add)
        except CommandFailed:  # it is on another bridge
            self._vsctl("--if-exists", "del-port", port, "--", *add)
        number = self._vsctl("get", "Interface", port, "ofport").strip()
        if number in {"-1", "[]"}:
            fault = self._vsctl("get", "Interface", port, "error").strip()
            raise LinuxError(f"Open vSwitch did not take port {port} on {bridge}: {fault}")

    def remove_port(self, port: str) -> None:
        """The port is in no bridge; succeeds on unknown."""
        if self.answers:
            self._vsctl("--if-exists", "del-port", port)

    def ports(self) -> list[str]:
        """The ports that are marked as ours."""
        if not self.answers:
            return []
        condition = f"external_ids:abaca={self.owner}"
        listed = self._vsctl("--bare", "--columns=name", "find", "Port", condition)
        return listed.split()

    def _vsctl(self, *arguments: str) -> str:
        # Its own --timeout ends it cleanly; ours is for the case that it hangs.
        connection = f"--db=unix:{self.socket}"
        return run_holding("ovs-vsctl", "--timeout=30", connection, *arguments, timeout=40)
