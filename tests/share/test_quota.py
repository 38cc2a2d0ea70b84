"""Quotas are counted from rows, in the transaction that adds to them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, update

from abaca.context import Context
from abaca.db import quotas
from abaca.db.database import Database, Tx
from abaca.db.tables import new_id, now, share_instances, share_types, shares, snapshots
from abaca.errors import OverLimit
from abaca.model.quota import DEFAULT_LIMITS, UNLIMITED, Resource, Scope
from abaca.share.quota import limits, look_up, reserve, usages

pytestmark = pytest.mark.every_database

ALICE = Context(user_id="alice", project_id="red", roles=frozenset(), request_id="r")
RITA = Context(user_id="rita", project_id="red", roles=frozenset(), request_id="r")
RED = Scope(project_id="red")


@pytest.fixture
def database(db: Database) -> Database:
    """A database with the share types ``gold`` and ``slow``."""
    with db.write() as tx:
        for name in ("gold", "slow"):
            tx.execute(
                insert(share_types).values(id=name, name=name, is_public=True, created_at=now())
            )
    return db


def add_share(tx: Tx, ctx: Context, size: int, share_type: str = "gold") -> str:
    """A share's rows."""
    share_id = new_id()
    tx.execute(
        insert(shares).values(
            id=share_id,
            project_id=ctx.project_id,
            user_id=ctx.user_id,
            size=size,
            share_proto="NFS",
            share_type_id=share_type,
            is_public=False,
            created_at=now(),
        )
    )
    tx.execute(
        insert(share_instances).values(
            id=new_id(),
            share_id=share_id,
            primary_slot=1,
            status="available",
            access_rules_status="active",
            wanted_size=size,
            created_at=now(),
        )
    )
    return share_id


def test_usage_is_what_the_rows_say(database: Database) -> None:
    """Shares, a share that grows, one that shrinks, and snapshots, by project, user and type."""
    with database.write() as tx:
        add_share(tx, ALICE, 3)
        grows, shrinks = add_share(tx, ALICE, 5, "slow"), add_share(tx, RITA, 7)
        for share_id, wanted in ((grows, 6), (shrinks, 1)):
            where = share_instances.c.share_id == share_id
            tx.execute(update(share_instances).where(where).values(wanted_size=wanted))
        tx.execute(
            insert(snapshots).values(
                id=new_id(),
                project_id="red",
                user_id="rita",
                share_id=grows,
                size=5,
                share_size=5,
                share_proto="NFS",
                created_at=now(),
            )
        )
    with database.read() as tx:
        red = usages(tx, RED)
        assert red[Resource.SHARES].in_use == 3
        assert red[Resource.GIGABYTES].in_use == 3 + 6 + 7
        assert red[Resource.SNAPSHOTS].in_use == 1
        assert red[Resource.SNAPSHOT_GIGABYTES].in_use == 5
        alice = usages(tx, Scope(project_id="red", user_id="alice"))
        assert alice[Resource.GIGABYTES].in_use == 9
        assert alice[Resource.SNAPSHOTS].in_use == 0
        slow = usages(tx, Scope(project_id="red", share_type_id="slow"))
        assert slow[Resource.GIGABYTES].in_use == 6
        assert slow[Resource.SNAPSHOT_GIGABYTES].in_use == 5
        assert Resource.SHARE_NETWORKS not in slow
        assert usages(tx, Scope(project_id="blue"))[Resource.SHARES].in_use == 0


def test_the_refusal_says_used_and_limit(database: Database) -> None:
    """What would go over names the resource, what is asked, used and allowed."""
    with database.write() as tx:
        quotas.set_limits(tx, RED, {Resource.GIGABYTES: 10})
        add_share(tx, ALICE, 6)
        reserve(tx, ALICE, {Resource.GIGABYTES: 4})
        with pytest.raises(OverLimit, match=r"gigabytes of the project: 5 more asked, 6 of 10"):
            reserve(tx, ALICE, {Resource.SHARES: 1, Resource.GIGABYTES: 5})


def test_each_scope_limits_by_itself(database: Database) -> None:
    """A user's and a share type's limit hold beside the project's, and for them only."""
    with database.write() as tx:
        quotas.set_limits(tx, Scope(project_id="red", user_id="alice"), {Resource.SHARES: 1})
        quotas.set_limits(tx, Scope(project_id="red", share_type_id="slow"), {Resource.SHARES: 2})
        add_share(tx, ALICE, 1, "slow")
        with pytest.raises(OverLimit, match="of the user"):
            reserve(tx, ALICE, {Resource.SHARES: 1}, share_type_id="gold")
        reserve(tx, RITA, {Resource.SHARES: 1}, share_type_id="slow")
        add_share(tx, RITA, 1, "slow")
        with pytest.raises(OverLimit, match="of the share type"):
            reserve(tx, RITA, {Resource.SHARES: 1}, share_type_id="slow")
        reserve(tx, RITA, {Resource.SHARES: 1}, share_type_id="gold")


def test_the_size_of_one_share(database: Database) -> None:
    """per_share_gigabytes limits a share, however little the project uses."""
    with database.write() as tx:
        quotas.set_limits(tx, RED, {Resource.PER_SHARE_GIGABYTES: 8})
        add_share(tx, ALICE, 8)
        reserve(tx, ALICE, {Resource.PER_SHARE_GIGABYTES: 8})
        with pytest.raises(OverLimit, match="per_share_gigabytes"):
            reserve(tx, ALICE, {Resource.PER_SHARE_GIGABYTES: 9})


def test_unlimited_and_less_is_never_refused(database: Database) -> None:
    """-1 lets all through; what shrinks is let through even over the limit."""
    with database.write() as tx:
        quotas.set_limits(tx, RED, {Resource.SHARES: UNLIMITED, Resource.GIGABYTES: 1})
        add_share(tx, ALICE, 50)
        reserve(tx, ALICE, {Resource.SHARES: 10_000, Resource.GIGABYTES: -5})


def test_what_must_be_counted(database: Database) -> None:
    """Whatever limits the project, this user or a share type; not what limits another user."""
    shares_ = (Resource.SHARES, Resource.GIGABYTES)
    free = dict.fromkeys(Resource, UNLIMITED)

    def counted(ctx: Context) -> bool:
        return look_up(tx, ctx.project_id, ctx.user_id, free).have_counted(shares_)

    with database.write() as tx:
        quotas.set_limits(tx, RED, {Resource.SNAPSHOTS: 1, Resource.PER_SHARE_GIGABYTES: 1})
        assert not counted(ALICE)
        quotas.set_limits(tx, Scope(project_id="red", user_id="rita"), {Resource.SHARES: 1})
        assert counted(RITA)
        assert not counted(ALICE)
        quotas.set_limits(tx, Scope(project_id="red", share_type_id="slow"), {Resource.SHARES: 2})
        assert counted(ALICE)
        quotas.forget_limits(tx, RED)
        assert not counted(ALICE)
        quotas.set_class_limits(tx, quotas.DEFAULT_CLASS, {Resource.GIGABYTES: 3})
        assert counted(ALICE)


def test_which_limit_is_in_force(database: Database) -> None:
    """Own, else the project's, else the class's, else the configuration's, else the default."""
    defaults = {Resource.SNAPSHOTS: 4, Resource.SHARES: 4}
    alice = Scope(project_id="red", user_id="alice")
    with database.write() as tx:
        quotas.set_class_limits(tx, quotas.DEFAULT_CLASS, {Resource.SHARES: 3})
        quotas.set_limits(tx, RED, {Resource.GIGABYTES: 2})
        quotas.set_limits(tx, alice, {Resource.SHARE_NETWORKS: 1})
        found = limits(tx, alice, defaults)
        assert found == {
            **DEFAULT_LIMITS,
            Resource.SNAPSHOTS: 4,
            Resource.SHARES: 3,
            Resource.GIGABYTES: 2,
            Resource.SHARE_NETWORKS: 1,
        }
        quotas.forget_limits(tx, RED)
        quotas.forget_limits(tx, RED)
        assert limits(tx, alice, defaults)[Resource.GIGABYTES] == 1000


def test_many_at_once_never_overshoot(database: Database) -> None:
    """Of forty requests at once on room for seven, seven are let through."""
    with database.write() as tx:
        quotas.set_limits(tx, RED, {Resource.SHARES: 7})

    def work(_: int) -> bool:
        try:
            with database.write() as tx:
                reserve(tx, ALICE, {Resource.SHARES: 1})
                add_share(tx, ALICE, 1)
        except OverLimit:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(work, range(40))) == 7
