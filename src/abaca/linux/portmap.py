"""A port mapper per namespace: without one, NFS-Ganesha does not start with NFSv3.

It takes registrations from anybody (``-i``), so the namespace's firewall must
not let clients reach it (rpcbind 1.2.6 can't be bound to the loopback alone:
it crashes with ``-h``). rpcbind knows one path for its socket and state, /run,
so it runs in a mount namespace of its own where /run is empty. That one must
not keep our mounts busy: they are dropped in it first.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time
from pathlib import Path

from abaca.errors import LinuxError
from abaca.linux import mounts
from abaca.linux import netns as namespaces
from abaca.linux.command import find
from abaca.linux.daemon import Daemon, NotReady

PORT = 111
_LOOPBACK = "127.0.0.1"
_MNT_DETACH = 2


class Portmap:
    """The port mapper of one server.

    In this process's own namespace (``netns`` None) it is the administrator's
    to run: ours could be reached from outside there.
    """

    def __init__(self, folder: Path, netns: str | None) -> None:
        self._netns = netns
        self.daemon = Daemon(
            program="rpcbind",
            marker=str(folder / "rpcbind"),
            record=folder / "rpcbind.identity",
            log=folder / "rpcbind.log",
        )

    def start(self) -> None:
        """One answers on the loopback: somebody's that was there before, or ours."""
        if self._answers():
            return
        if self._netns is None:
            raise LinuxError(
                "NFSv3 needs a port mapper on this host: start rpcbind "
                "(Debian package rpcbind), or write nfs_versions = 4"
            )
        self.daemon.stop()
        argv = ["unshare", "--mount", "--propagation", "private", "--"]
        argv += [sys.executable, "-m", "abaca.linux.portmap", self.daemon.marker]
        self.daemon.start(argv, netns=self._netns)
        deadline = time.monotonic() + 10
        while not self._answers():
            if self.daemon.identity() is None:
                raise LinuxError(f"rpcbind does not start: {self.daemon.last_words()}")
            if time.monotonic() > deadline:
                raise NotReady(f"rpcbind does not answer yet: {self.daemon.last_words()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ours is gone; succeeds on unknown."""
        self.daemon.stop()

    def _answers(self) -> bool:
        def connect() -> bool:
            try:
                with socket.create_connection((_LOOPBACK, PORT), timeout=1):
                    return True
            except OSError:
                return False

        return namespaces.call_inside(self._netns, connect)


def become_rpcbind(marker: str) -> None:
    """Replace this process, alone in its mount namespace, by rpcbind; the work of ``-m``.

    rpcbind ignores arguments that are no options: ``marker`` is there to be found by.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for item in reversed(mounts.table()):
        if item.source.startswith("/dev/loop") or Path("/run") in item.target.parents:
            libc.umount2(os.fsencode(item.target), _MNT_DETACH)
    if libc.mount(b"abaca", b"/run", b"tmpfs", 0, b"size=1m,mode=755") != 0:
        raise LinuxError(f"mounting an empty /run: {os.strerror(ctypes.get_errno())}")
    program = find(["rpcbind"])
    os.execv(program, ["rpcbind", "-f", "-w", "-i", marker])  # noqa: S606


if __name__ == "__main__":
    become_rpcbind(sys.argv[1])
