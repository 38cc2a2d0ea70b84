"""A Galera cluster of private MariaDB servers on loopback, for tests: each node takes writes.

Its library comes with the Debian package ``mariadb-server``. A node that joins gets the whole
state from another one by rsync, one that comes back what it missed.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from abaca.testing.databases import MariadbServer
from abaca.testing.ports import LOOPBACK, free_ports

LIBRARY = "/usr/lib/galera/libgalera_smm.so"
CACHE = "32M"
"""What each node keeps of recent changes, for those that come back."""


class GaleraNode(MariadbServer):
    """One of several; the cluster starts it."""

    def __init__(self, cluster: str, weight: int, others: Sequence[GaleraNode]) -> None:
        self._cluster = cluster
        self._weight = weight
        self._others = others
        self._ports = free_ports(3)
        super().__init__()

    @property
    def runs(self) -> bool:
        """True if its process does."""
        return self._process is not None and self._process.poll() is None

    @property
    def address(self) -> str:
        """Where the others find it."""
        return f"{LOOPBACK}:{self._ports[0]}"

    def _prepare(self) -> None:
        if not self._others:
            super()._prepare()
            return
        # Its content is the others'.
        data = self.home / "data"
        data.mkdir()
        self._own(data)

    def _command(self) -> list[str]:
        group, missed, whole = self._ports
        alive = ",".join(item.address for item in self._others if item.runs)
        options = {
            "base_host": LOOPBACK,
            "base_port": group,
            "gmcast.listen_addr": f"tcp://{LOOPBACK}:{group}",
            "ist.recv_addr": f"tcp://{LOOPBACK}:{missed}",
            "ist.recv_bind": f"tcp://{LOOPBACK}:{missed}",
            "gcache.size": CACHE,
            "pc.weight": self._weight,
        }
        return [
            *super()._command(),
            "--wsrep-on=ON",
            f"--wsrep-provider={LIBRARY}",
            f"--wsrep-cluster-name={self._cluster}",
            f"--wsrep-cluster-address=gcomm://{alive}",
            f"--wsrep-node-address={self.address}",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address={LOOPBACK}:{whole}",
            "--wsrep-provider-options=" + ";".join(f"{key}={options[key]}" for key in options),
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
        ]


@contextmanager
def cluster(size: int = 2) -> Iterator[list[GaleraNode]]:
    """So many nodes, as long as the block lasts; any but the first may be killed.

    The first one has the majority by itself.
    """
    nodes: list[GaleraNode] = []
    name = f"abaca-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        for number in range(size):
            node = GaleraNode(name, size if number == 0 else 1, nodes)
            stack.callback(node.close)
            nodes.append(node)
            node.start()
        yield nodes
