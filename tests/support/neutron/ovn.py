"""OVN under a real Neutron: packets between ports of its networks are really forwarded.

The Debian packages are unpacked, not installed: nothing of theirs starts by itself.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from abaca.linux.command import process_identity, run, start_daemon, stop_process
from abaca.testing.ovs import Switch
from abaca.testing.wait import listens, until
from support.cached_venv import cache_root, locked
from support.neutron.server import AGENT_HOST, Flavour

PACKAGES = ("ovn-central", "ovn-host", "ovn-common")
MORE = """
[ovn]
ovn_nb_connection = unix:{folder}/nb.sock
ovn_sb_connection = unix:{folder}/sb.sock
"""


def unpacked() -> Path:
    """The root directory of OVN's files; made at the first call."""
    home = cache_root() / "ovn"
    with locked(home.with_suffix(".lock")):
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            (home / "packages").mkdir(parents=True)
            subprocess.run(
                ["apt-get", "download", "-q", *PACKAGES],
                cwd=home / "packages",
                check=True,
                capture_output=True,
                timeout=300,
            )
            for package in sorted((home / "packages").glob("*.deb")):
                run("dpkg", "-x", str(package), str(home / "root"))
            (home / "complete").touch()
    return home / "root"


def flavour(folder: Path, database: str) -> Flavour:
    """A Neutron on this OVN."""
    return Flavour(
        drivers="ovn",
        services="ovn-router,segments",
        database=database,
        more=MORE.format(folder=folder),
        threads=4,
    )


@contextmanager
def ovn(namespace: str, folder: Path, switch: Switch, mappings: str) -> Iterator[None]:
    """OVN's databases and daemons, and this Open vSwitch as its only chassis.

    ``mappings`` are physical networks and their bridges: ``physnet1:br-vlan``. The
    path of the folder must be short enough for a socket.
    """
    root = unpacked()
    folder.mkdir(exist_ok=True)
    # Its programs must not find the sockets and files of the machine's own.
    environment = {
        f"{kind}_{name}": str(folder)
        for kind in ("OVS", "OVN")
        for name in ("RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR")
    }
    started: list[tuple[int, int]] = []

    def start(name: str, *argv: str, **more: str) -> None:
        pid = start_daemon(
            argv,
            netns=namespace,
            log=folder / f"{name}.log",
            env={**environment, **more},
        )
        started.append(process_identity(pid))

    try:
        for name in ("nb", "sb"):
            file, socket = folder / f"{name}.db", folder / f"{name}.sock"
            schema = root / f"usr/share/ovn/ovn-{name}.ovsschema"
            run("ovsdb-tool", "create", str(file), str(schema), env=environment)
            control = f"--unixctl={folder}/{name}.ctl"
            start(name, "ovsdb-server", str(file), f"--remote=punix:{socket}", control)
            until(lambda at=socket: listens(at), f"OVN's database {name} listens")
            program = root / f"usr/bin/ovn-{name}ctl"
            run(str(program), f"--db=unix:{socket}", "init", env=environment)
        databases = (f"--ovnnb-db=unix:{folder}/nb.sock", f"--ovnsb-db=unix:{folder}/sb.sock")
        start("northd", str(root / "usr/bin/ovn-northd"), *databases)
        ids = {
            "system-id": AGENT_HOST,
            "hostname": AGENT_HOST,
            "ovn-remote": f"unix:{folder}/sb.sock",
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": "127.0.0.1",
            "ovn-bridge-mappings": mappings,
            "ovn-bridge-datapath-type": "netdev",
            "ovn-cms-options": "enable-chassis-as-gw",
        }
        pairs = [f'external_ids:{name}="{value}"' for name, value in ids.items()]
        switch.vsctl("set", "Open_vSwitch", ".", *pairs)
        switch.vsctl(
            *("--may-exist", "add-br", "br-int", "--", "set", "bridge", "br-int"),
            *("datapath_type=netdev", "fail-mode=secure"),
        )
        controller = str(root / "usr/bin/ovn-controller")
        # It looks for the bridge's socket where the switch put it.
        rundir = str(switch.socket.parent)
        start("controller", controller, f"unix:{switch.socket}", OVS_RUNDIR=rundir)
        yield
    finally:
        for pid, start_time in reversed(started):
            stop_process(pid, start_time)
