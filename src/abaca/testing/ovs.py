"""A private Open vSwitch in user space, for tests and the demo.

It has a database, a socket and processes of its own, in a folder and a network
namespace that the caller made; the machine's own Open vSwitch is not touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from abaca.errors import LinuxError
from abaca.linux.command import find, process_identity, run, start_daemon, stop_process
from abaca.testing.wait import listens, until

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A running Open vSwitch; ``socket`` is what the option ``ovs_db`` takes."""

    socket: Path

    def vsctl(self, *arguments: str) -> str:
        """Run ovs-vsctl on it."""
        connection = f"--db=unix:{self.socket}"
        return run("ovs-vsctl", "--timeout=60", connection, *arguments, timeout=70)

    def add_bridge(self, name: str, *ports: str) -> None:
        """A bridge in user space, with these links as trunk ports."""
        kind = ["--", "set", "Bridge", name, "datapath_type=netdev"]
        self.vsctl("add-br", name, *kind)
        for port in ports:
            self.vsctl("add-port", name, port)


@contextmanager
def open_vswitch(namespace: str, folder: Path) -> Iterator[Switch]:
    """Start one in the namespace, with its files in the (existing) folder; stop it at the end.

    The path of the folder must be short enough for a socket (80 characters).
    """
    if not SCHEMA.exists():
        raise LinuxError("there is no Open vSwitch: install the Debian package openvswitch-switch")
    database, socket = folder / "conf.db", folder / "db.sock"
    environment = {
        f"OVS_{name}": str(folder) for name in ("RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR")
    }
    run(find(["ovsdb-tool"]), "create", str(database), str(SCHEMA), env=environment)
    programs = (
        (
            "ovsdb-server",
            str(database),
            f"--remote=punix:{socket}",
            f"--unixctl={folder / 'ovsdb.ctl'}",
        ),
        ("ovs-vswitchd", f"unix:{socket}", f"--unixctl={folder / 'vswitchd.ctl'}"),
    )
    switch = Switch(socket=socket)
    started: list[tuple[int, int]] = []
    try:
        for argv in programs:
            log = folder / f"{argv[0]}.log"
            pid = start_daemon(argv, netns=namespace, log=log, env=environment)
            started.append(process_identity(pid))
            until(lambda: listens(socket), "the Open vSwitch database listens")
            if argv[0] == "ovsdb-server":
                switch.vsctl("--no-wait", "init")
        yield switch
    finally:
        for pid, start_time in reversed(started):
            stop_process(pid, start_time)
        database.unlink(missing_ok=True)
