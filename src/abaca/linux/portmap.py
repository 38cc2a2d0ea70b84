"""A port mapper per namespace: without one NFS-Ganesha does not start with NFSv3.

It is reachable on the loopback of the namespace only. rpcbind knows one socket
path, /run/rpcbind.sock, so it runs in a mount namespace of its own, where /run
is empty; it takes registrations over the loopback (``-i``) instead.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

from abaca.errors import LinuxError
from abaca.linux import netns as namespaces
from abaca.linux.daemon import Daemon

PORT = 111


class Portmap:
    """The port mapper of one server."""

    def __init__(self, folder: Path, netns: str | None) -> None:
        self._netns = netns
        self._folder = folder
        self.daemon = Daemon(
            program="rpcbind",
            marker=f"{folder}/rpcbind",
            record=folder / "rpcbind.identity",
            log=folder / "rpcbind.log",
        )

    def start(self) -> None:
        """A port mapper answers on the loopback; ours unless somebody else's does already."""
        if self._answers():
            return
        raise LinuxError("not yet")

    def stop(self) -> None:
        """Ours is gone; succeeds on unknown."""
        self.daemon.stop()

    def _answers(self) -> bool:
        def connect() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", PORT), timeout=1):
                    return True
            except OSError:
                return False

        return namespaces.call_inside(self._netns, connect)

    def _wait(self, patience: float = 5) -> None:
        deadline = time.monotonic() + patience
        while not self._answers():
            if time.monotonic() > deadline:
                raise LinuxError(f"rpcbind does not start: {self.daemon.last_words()}")
            time.sleep(0.02)
