"""Quotas, snapshots, clones and reverts, through NFS and on the disk."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from abaca.drivers.driver import Share, Snapshot
from abaca.drivers.linux.layout import SINGLE
from abaca.errors import DriverError, ShrinkRefused, StorageFull
from support.hostns import Host, url
from support.linux_scene import Backend, Scene, a_share, flat, scene, single
from support.nfs4 import DQUOT, NOSPC, STALE, Nfs4Client, NfsError

pytestmark = pytest.mark.dataplane

MIB = 1 << 20


def client(made: Scene) -> Nfs4Client:
    """A client on the scene's machine."""
    return Nfs4Client(made.machine.netns, made.location.partition(":")[0])


def fill(nfs: Nfs4Client, made: Scene, limit: int) -> int:
    """Write a file until the server refuses or ``limit`` is reached; how much was written."""
    opened = nfs.open(f"/shares/{made.share.id}", "big", create=True)
    written = 0
    while written < limit:
        written += nfs.write(opened.handle, bytes(MIB), offset=written, stateid=opened.stateid)
    return written


def occupy(made: Scene, size: int) -> None:
    """A file of this size, made on the host: much faster than through NFS."""
    run = Path("/run/abaca") / made.backend.host.deployment
    (mount,) = run.glob(f"*/*/mounts/{made.share.id}")
    with (mount / "occupied").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)


def put(made: Scene, text: str) -> None:
    """File ``f`` of the share has this text."""
    with client(made) as nfs:
        opened = nfs.open(f"/shares/{made.share.id}", "f", create=True)
        nfs.write(opened.handle, text.encode().ljust(20), stateid=opened.stateid)


def get(made: Scene, share: Share | None = None) -> str:
    """What file ``f`` of the share has."""
    target = share if share is not None else made.share
    with client(made) as nfs:
        return nfs.read(nfs.handle(f"/shares/{target.id}/f")).decode().strip()


def image_of(backend: Backend, share: Share) -> Path:
    """The file that holds the share."""
    key = SINGLE if share.server is None else share.server.id
    folder = backend.host.folder / "storage" / backend.name / key / "images"
    return folder / f"{share.project_id}.img"


def test_quota_stops_writes_and_extend_lets_them_go_on(made_host: Host) -> None:
    """A write past the quota is an NFS error; after an extend it goes on; no shrink below use."""
    made = scene(single(made_host))
    occupy(made, 1000 * MIB)
    with client(made) as nfs:
        with pytest.raises(NfsError) as refused:
            fill(nfs, made, 60 * MIB)
        assert refused.value.status in {DQUOT, NOSPC}
        larger = dataclasses.replace(made.share, size_gib=2)
        made.driver.resize_share(larger)
        made.driver.resize_share(larger)
        assert fill(nfs, made, 60 * MIB) >= 60 * MIB
    with pytest.raises(ShrinkRefused):
        made.driver.resize_share(made.share)
    put(made, "still writable")
    assert get(made) == "still writable"
    taken = image_of(made.backend, made.share).stat().st_blocks * 512
    assert taken > 60 * MIB
    keep = a_share(made.backend, 1, name="keep", export=6)
    made.driver.ensure_share(keep, None)
    made.driver.remove_share(made.share)
    assert image_of(made.backend, keep).stat().st_blocks * 512 < taken - 40 * MIB
    made.driver.remove_share(keep)
    assert not image_of(made.backend, keep).exists()


def test_shrink_to_a_size_that_fits(made_host: Host) -> None:
    """A share that holds little shrinks, and has the smaller quota afterwards."""
    backend = single(made_host)
    made = scene(backend)
    larger = dataclasses.replace(made.share, size_gib=3)
    free = made.driver.pools()[0].free_gib
    made.driver.resize_share(larger)
    assert made.driver.pools()[0].free_gib < free - 1.9
    made.driver.resize_share(made.share)
    assert made.driver.pools()[0].free_gib > free - 0.2


def test_snapshot_clone_revert(backend: Backend) -> None:
    """A snapshot keeps what was; a clone begins there and goes its way; revert returns to it."""
    made = scene(backend)
    put(made, "one")
    snapshot = Snapshot(id="snap-1", share=made.share)
    made.driver.ensure_snapshot(snapshot)
    made.driver.ensure_snapshot(snapshot)
    put(made, "two")

    clone = a_share(backend, 1, name="clone", export=6)
    made.driver.ensure_share(clone, snapshot)
    made.driver.ensure_share(clone, snapshot)
    made.driver.apply_access(clone, [made.rule()])
    assert (get(made), get(made, clone)) == ("two", "one")

    made.driver.revert_share(snapshot)
    made.driver.revert_share(snapshot)
    assert get(made) == "one"
    put(made, "three")
    assert (get(made), get(made, clone)) == ("three", "one")

    assert made.driver.inventory().snapshots == {"snap-1"}
    for _ in range(2):
        made.driver.remove_snapshot(snapshot)
    for share in (made.share, clone):
        made.driver.remove_share(share)
    assert made.driver.inventory().snapshots == frozenset()
    assert not image_of(backend, made.share).exists()


def test_revert_makes_old_handles_stale(made_host: Host) -> None:
    """What a client that has the share mounted sees of a revert: ESTALE, until it mounts anew."""
    made = scene(flat(made_host))
    put(made, "one")
    snapshot = Snapshot(id="snap-1", share=made.share)
    made.driver.ensure_snapshot(snapshot)
    with client(made) as nfs:
        opened = nfs.open(f"/shares/{made.share.id}", "f")
        made.driver.revert_share(snapshot)
        with pytest.raises(NfsError) as refused:
            nfs.read(opened.handle)
        assert refused.value.status == STALE
        assert nfs.read(nfs.handle(f"/shares/{made.share.id}/f")).startswith(b"one")


def test_snapshot_survives_its_share_on_disk(made_host: Host) -> None:
    """The image stays as long as a snapshot is in it, and goes with the last one."""
    made = scene(single(made_host))
    snapshot = Snapshot(id="snap-1", share=made.share)
    made.driver.ensure_snapshot(snapshot)
    made.driver.remove_share(made.share)
    assert image_of(made.backend, made.share).exists()
    made.driver.remove_snapshot(snapshot)
    assert not image_of(made.backend, made.share).exists()


def test_snapshot_of_another_server_is_refused(made_host: Host) -> None:
    """A clone onto another share server is a plain refusal that leaves nothing behind."""
    backend = flat(made_host)
    made = scene(backend, 1)
    snapshot = Snapshot(id="snap-1", share=made.share)
    made.driver.ensure_snapshot(snapshot)
    other = scene(backend, 2, driver=made.driver)
    clone = a_share(backend, 2, name="clone", export=6)
    with pytest.raises(DriverError, match="share server"):
        other.driver.ensure_share(clone, snapshot)
    other.driver.remove_share(clone)
    assert clone.id not in other.driver.inventory().shares


def test_no_more_is_promised_than_there_is(made_host: Host) -> None:
    """A share larger than the pool's free room is StorageFull, and leaves nothing behind."""
    backend = single(made_host)
    driver = backend.driver()
    driver.start()
    free = driver.pools()[0].free_gib
    share = dataclasses.replace(a_share(backend, 1), size_gib=int(free) + 1)
    with pytest.raises(StorageFull):
        driver.ensure_share(share, None)
    assert driver.inventory().shares == frozenset()


@pytest.mark.slow
def test_bulk_data_over_nfs3(made_host: Host, tmp_path: Path) -> None:
    """Where NFSv3 is configured, a client that names the ports copies megabytes there and back."""
    backend = flat(made_host)
    backend.values["nfs_versions"] = ["3", "4"]
    made = scene(backend)
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 4096 * 8)
    location = url(made.location, "f", version=3) + "&nfsport=2049&mountport=20048"
    assert made.machine.run("nfs-cp", str(source), location, timeout=60).returncode == 0
    back = tmp_path / "back"
    assert made.machine.run("nfs-cp", location, str(back), timeout=60).returncode == 0
    assert back.read_bytes() == source.read_bytes()
