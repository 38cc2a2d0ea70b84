"""What the manager does about shares that wait: in the recycle bin, or for another project."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import update

from abaca.context import Context, Version
from abaca.db.tables import now, share_transfers, shares
from abaca.drivers.fake import FakeDriver
from abaca.manager.backend import Backend
from abaca.modes import DriverMode
from abaca.share import recycle_bin
from abaca.share import share_transfers as transfers
from abaca.states import ShareStatus
from support.control_plane import PROJECT, Api, StartManager, backend


def caller(project: str) -> Context:
    """Somebody of a project."""
    return Context(
        user_id="u1",
        project_id=project,
        roles=frozenset({"member"}),
        request_id="req-1",
        version=Version(2, 78),
    )


def single(driver: FakeDriver | None = None) -> Backend:
    """A backend in single_svm that can hand shares over."""
    found = backend("b1", DriverMode.SINGLE, driver=driver)
    return replace(found, capabilities={**found.capabilities, transfers.SUPPORT: True})


def made(api: Api) -> str:
    """A share in single_svm."""
    share_id = api.share(api.share_type("single_svm"))
    api.until_status(share_id, ShareStatus.AVAILABLE)
    api.until_idle()
    return share_id


def test_the_bin_is_emptied(api: Api, start: StartManager) -> None:
    """A share whose time is up is removed with its data; one whose time is not, stays."""
    driver = FakeDriver(DriverMode.SINGLE)
    start(single(driver))
    kept, gone = made(api), made(api)
    for share_id in (kept, gone):
        with api.db.write() as tx:
            recycle_bin.soft_delete(tx, caller(PROJECT), share_id, retention_seconds=600)
    with api.db.write() as tx:
        past = now() - timedelta(seconds=1)
        tx.execute(
            update(shares).where(shares.c.id == gone).values(scheduled_to_be_deleted_at=past)
        )
    api.until(lambda: api.read(gone) is None)
    left = api.read(kept)
    assert left is not None
    assert left.instance.status is ShareStatus.AVAILABLE
    assert set(driver.world.shares) == {left.instance.id}


def offered(api: Api, share_id: str) -> tuple[str, str]:
    """Offer it: transfer and key."""
    with api.db.write() as tx:
        transfer, key = transfers.create(tx, caller(PROJECT), share_id, None, seconds=600)
    return transfer.id, key


def test_a_share_is_handed_over(api: Api, start: StartManager) -> None:
    """Taken up in another project, the backend knows whose it is, and its data stay."""
    driver = FakeDriver(DriverMode.SINGLE)
    start(single(driver))
    share_id = made(api)
    share = api.read(share_id)
    assert share is not None
    driver.fill(share.instance.id, "data")
    transfer_id, key = offered(api, share_id)
    with api.db.write() as tx:
        transfers.accept(tx, caller("p2"), transfer_id, key, clear_rules=True)
    api.until_idle()
    there = driver.world.shares[share.instance.id]
    assert (there.project, there.content) == ("p2", "data")
    after = api.read(share_id)
    assert after is not None
    assert (after.project_id, after.instance.status) == ("p2", ShareStatus.AVAILABLE)


def test_an_offer_ends(api: Api, start: StartManager) -> None:
    """A transfer that nobody takes up is gone after its time, and its share available again."""
    start(single())
    share_id = made(api)
    offered(api, share_id)
    with api.db.write() as tx:
        tx.execute(update(share_transfers).values(expires_at=now() - timedelta(seconds=1)))
    api.until_status(share_id, ShareStatus.AVAILABLE)
    assert api.rows("share_transfers") == []
