"""Crashes, reboots and neighbours: whatever happens, ensuring brings everything back."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from abaca.drivers.driver import Server
from abaca.drivers.linux.layout import RUN_PATH
from abaca.errors import BackendUnavailable
from abaca.linux import netns
from abaca.linux.lock import locked
from abaca.modes import DriverMode
from abaca.testing.helpers import FixedFlat, FixedManaged, address, vxlan
from support import hostns
from support.hostns import Host
from support.linux_scene import Backend, Scene, a_share, flat, managed, scene, server_of
from support.nfs4 import GRACE, Nfs4Client, NfsError

pytestmark = pytest.mark.dataplane


def put(made: Scene, text: str) -> None:
    """File ``f`` of the share has this text, of a fixed length."""
    with client(made) as nfs:
        opened = nfs.open(f"/shares/{made.share.id}", "f", create=True)
        nfs.write(opened.handle, text.encode().ljust(20), stateid=opened.stateid)


def get(made: Scene) -> str:
    """What file ``f`` of the share has; waits for the end of a restarted server's grace."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with client(made) as nfs:
                return nfs.read(nfs.handle(f"/shares/{made.share.id}/f")).decode().strip()
        except NfsError as error:
            if error.status != GRACE or time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def client(made: Scene) -> Nfs4Client:
    """A client on the scene's machine."""
    return Nfs4Client(made.machine.netns, made.location.partition(":")[0])


def identity(host: Host) -> tuple[int, int]:
    """PID and start time of the one NFS server."""
    (path,) = (RUN_PATH / host.deployment).rglob("ganesha.identity")
    pid, start = path.read_text().split()
    return int(pid), int(start)


def bring_back(backend: Backend, made: Scene) -> None:
    """What a manager does after a reboot, by a new driver instance."""
    driver = backend.driver()
    driver.start()
    if made.share.server is not None:
        assert not driver.check_server(made.share.server)
        driver.ensure_server(made.share.server, backend.network(1))
    assert driver.check_server(made.share.server)
    assert driver.ensure_share(made.share, None) == made.locations


def test_reboot_brings_back_the_same_data_at_the_same_place(backend: Backend) -> None:
    """Without namespaces, links, mounts, loop devices and processes, all comes back as it was."""
    made = scene(backend)
    put(made, "before")
    hostns.reboot(backend.host)
    assert not made.driver.check_server(made.share.server)
    bring_back(backend, made)
    assert get(made) == "before"


def test_dead_server_is_seen_and_served_again(backend: Backend) -> None:
    """A killed NFS server fails the check; ensuring starts it with the same exports and rules."""
    made = scene(backend)
    put(made, "before")
    assert made.driver.check_server(made.share.server)
    os.kill(identity(backend.host)[0], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while made.driver.check_server(made.share.server):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if made.share.server is not None:
        made.driver.ensure_server(made.share.server, backend.network(1))
    else:
        made.driver.start()
    assert get(made) == "before"


def test_namespace_that_was_removed_by_hand(made_host: Host) -> None:
    """Its NFS server lives on where nobody can reach it: another one takes its place."""
    made = scene(flat(made_host))
    put(made, "before")
    before = identity(made_host)
    (name,) = [item for item in made_host.servers() if not item.endswith("-switch")]
    netns.remove_namespace(name)
    assert not made.driver.check_server(made.share.server)
    assert made.share.server is not None
    made.driver.ensure_server(made.share.server, made.backend.network(1))
    assert made.driver.check_server(made.share.server)
    assert get(made) == "before"
    assert identity(made_host) != before


def test_restarted_manager_adopts_what_runs(backend: Backend) -> None:
    """A new driver instance leaves the running server alone; a client's copy goes on meanwhile."""
    made = scene(backend)
    before = identity(backend.host)
    with client(made) as nfs:
        opened = nfs.open(f"/shares/{made.share.id}", "f", create=True)
        assert nfs.write(opened.handle, b"one", stateid=opened.stateid) == 3
        again = backend.driver()
        again.start()
        if made.share.server is not None:
            again.ensure_server(made.share.server, backend.network(1))
        assert again.ensure_share(made.share, None) == made.locations
        assert nfs.write(opened.handle, b"two", offset=3, stateid=opened.stateid) == 3
    assert identity(backend.host) == before


def test_servers_are_worked_on_in_parallel(made_host: Host) -> None:
    """Six servers made and removed by six threads at once: all serve, and nothing is left."""
    backend = flat(made_host)
    driver = backend.driver()
    driver.start()
    machine = backend.machine(1)

    def make(number: int) -> str:
        share = a_share(backend, number)
        assert share.server is not None
        driver.ensure_server(share.server, backend.network(number))
        (location, _) = driver.ensure_share(share, None)
        driver.apply_access(share, [Scene(backend, driver, machine, share, []).rule()])
        return location.path

    def remove(number: int) -> None:
        share = a_share(backend, number)
        assert share.server is not None
        driver.remove_share(share)
        driver.remove_server(share.server)

    with ThreadPoolExecutor(6) as threads:
        locations = list(threads.map(make, range(1, 7)))
        assert [machine.list(location).returncode for location in locations] == [0] * 6
        list(threads.map(remove, range(1, 7)))
    assert made_host.servers() == []
    assert hostns.processes(made_host) == []
    assert not list(made_host.folder.rglob("*.img"))


def test_interfaces_follow_the_helper(made_host: Host) -> None:
    """A server gains an interface on a second segment, and loses it again, and keeps running."""
    backend = managed(made_host)
    made = scene(backend)
    other = backend.machine(2)
    server = server_of(backend, 1)
    assert server is not None
    mine = backend.network(1)
    assert isinstance(mine, FixedManaged)
    before = identity(made_host)
    both = FixedManaged((*mine.given, vxlan(7002, "10.2.0.9/24")))
    details = made.driver.ensure_server(server, both)
    assert details["segmentation_id"] == "7001, 7002"
    locations = made.driver.ensure_share(made.share, None)
    assert [item.path.partition(":")[0] for item in locations][-1] == "10.2.0.9"
    assert other.list(locations[-1].path).returncode == 0
    made.driver.ensure_server(server, mine)
    assert other.run("ping", "-c", "1", "-W", "1", "10.2.0.9").returncode != 0
    assert len(made.driver.ensure_share(made.share, None)) == 2
    assert identity(made_host) == before


def test_changed_address_is_changed(made_host: Host) -> None:
    """Another address from the helper takes the place of the old one."""
    backend = flat(made_host)
    made = scene(backend)
    server = server_of(backend, 1)
    assert server is not None
    made.driver.ensure_server(server, FixedFlat((address("10.9.0.77/24"),)))
    (location,) = made.driver.ensure_share(made.share, None)
    assert location.path.startswith("10.9.0.77:")
    assert made.machine.list(location.path).returncode == 0
    assert made.machine.run("ping", "-c", "1", "-W", "1", "10.9.0.1").returncode != 0


def test_unknown_things_are_removed_with_success(backend: Backend) -> None:
    """Removing what never was, or what is half made, succeeds and leaves nothing."""
    driver = backend.driver()
    driver.start()
    share = a_share(backend, 1)
    driver.remove_share(share)
    if backend.mode is not DriverMode.SINGLE:
        driver.remove_server(Server(id="never-made", project_id="p1"))
    assert driver.inventory().shares == frozenset()
    assert backend.host.servers() == []
    locks = list((backend.host.folder / "storage").rglob("locks/*.lock"))
    assert [path.name for path in locks] in ([], ["single.lock"])


def test_operation_waits_for_the_last_child_of_a_killed_one(made_host: Host) -> None:
    """A lock inherited by a child is held until that child has gone; then the next one enters."""
    backend = flat(made_host)
    backend.values["operation_timeout"] = 1.0
    made = scene(backend)
    lock = next((made_host.folder / "storage").rglob("locks/0*.lock"))
    ready, go = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(lock):
            ready.set()
            go.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert ready.wait(60)
    with pytest.raises(BackendUnavailable):
        made.driver.apply_access(made.share, [])
    go.set()
    holder.join()
    made.driver.apply_access(made.share, [])


def test_nothing_of_a_server_holds_its_lock(made_host: Host) -> None:
    """Daemons have no file descriptor of the lock, or of anything else of the manager's."""
    backend = flat(made_host)
    scene(backend)
    lock = next((made_host.folder / "storage").rglob("locks/0*.lock"))
    for pid in hostns.processes(made_host):
        targets = [entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir()]
        assert lock not in targets
