"""A share server's whole life, verb by verb, in a process that may be killed and started again.

Like a manager, it goes on with the verb that it was at.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from abaca.drivers.driver import Snapshot
from abaca.drivers.linux import LinuxDriver
from abaca.modes import DriverMode
from support import hostns
from support.hostns import Host
from support.linux_scene import Backend, a_share, server_of


def verbs(backend: Backend, driver: LinuxDriver) -> list[Callable[[], object]]:
    """What is done, in order."""
    server, share = server_of(backend, 1), a_share(backend, 1)
    snapshot = Snapshot(id="snap-1", share=share)
    clone = a_share(backend, 1, name="clone", export=6)
    given = dataclasses.replace(share, project_id="another")

    def serves() -> None:
        assert driver.check_server(server)
        daemons = [name for name in map(program, hostns.processes(backend.host)) if name]
        assert daemons.count("ganesha.nfsd") == 1
        assert daemons.count("dbus-daemon") == 1

    def gone() -> None:
        assert driver.inventory().shares == frozenset()

    made: list[Callable[[], object]] = [
        driver.start,
        lambda: driver.ensure_share(share, None),
        lambda: driver.apply_access(share, []),
        lambda: driver.ensure_snapshot(snapshot),
        lambda: driver.ensure_share(clone, snapshot),
        lambda: driver.resize_share(dataclasses.replace(share, size_gib=2)),
        lambda: driver.resize_share(share),
        lambda: driver.revert_share(snapshot),
        serves,
        lambda: driver.transfer_share(given),
        serves,
        lambda: driver.remove_share(clone),
        lambda: driver.remove_snapshot(dataclasses.replace(snapshot, share=given)),
        lambda: driver.remove_share(given),
        gone,
    ]
    if server is not None:
        made.insert(1, lambda: driver.ensure_server(server, backend.with_admins(1)))
        made.append(lambda: driver.remove_server(server))
    return made


def program(pid: int) -> str:
    """Name of a process, empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def live(backend: Backend) -> None:
    """Go on from where the last process was."""
    place = backend.host.folder / "progress"
    todo = verbs(backend, cast("LinuxDriver", backend.driver()))
    begin = int(place.read_text()) if place.exists() else 0
    if begin:
        todo[0]()
    for number in range(begin, len(todo)):
        place.write_text(str(number))
        todo[number]()


def main(netns: str, folder: str, deployment: str, mode: str, values: str) -> None:
    """The process: arguments as `run` in the test gives them."""
    parsed = dict(item.split("=") for item in values.split(";"))
    live(Backend(DriverMode(mode), Host(netns, Path(folder), deployment), dict(parsed)))


if __name__ == "__main__":
    main(*sys.argv[1:])
