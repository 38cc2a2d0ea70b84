"""Placement takes room, share server and export ID in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from abaca.db import pools as pool_rows
from abaca.db.database import Database
from abaca.db.tables import now, pools, share_instances, share_servers, share_types, shares
from abaca.errors import BadRequest
from abaca.model.share_network import ShareNetwork
from abaca.scheduler.place import place, refuse_at_once
from abaca.scheduler.request import NoPlace, Placement, PlacementRequest

MULTI = {"driver_handles_share_servers": "True"}


def request(size: int = 10, project: str = "p1", **changes: Any) -> PlacementRequest:
    """A request of that size."""
    return PlacementRequest(
        share_id="s1", project_id=project, size_gib=size, protocol="NFS", **changes
    )


def free(db: Database, host: str) -> float:
    """What the pool has left."""
    with db.read() as tx:
        return float(tx.scalar(select(pools.c.free_gib).where(pools.c.host == host)))


def test_single_svm_takes_room_and_counts_exports(db: Database, add_pool: Callable[..., str]):
    """Two placements get two export IDs, and the pool has that much less."""
    host = add_pool("one", "single_svm")
    answers = []
    for _ in range(2):
        with db.write() as tx:
            answers.append(place(tx, request()))
    assert all(isinstance(item, Placement) for item in answers)
    assert [item.export_id for item in answers] == [1, 2]
    assert answers[0].share_server_id is None
    assert answers[0].effective_share_network_id is None
    assert answers[0].lane == "s1"
    assert free(db, host) == 80


def test_a_share_server_is_made_once_per_project(
    db: Database, add_pool: Callable[..., str], add_network: Callable[..., ShareNetwork]
):
    """Same project and network: one server, counting exports; another project: another server."""
    add_pool("two", "flat_multi_svm")
    network = add_network("n1")
    answers = []
    for project in ("p1", "p1", "p2"):
        with db.write() as tx:
            wanted = request(project=project, extra_specs=MULTI, share_network=network)
            answers.append(place(tx, wanted))
    first, second, other = answers
    assert first.share_server_id == second.share_server_id != other.share_server_id
    assert (first.export_id, second.export_id, other.export_id) == (1, 2, 1)
    assert first.effective_share_network_id == "n1"
    assert first.lane == first.share_server_id
    with db.read() as tx:
        rows = tx.execute(select(share_servers).order_by(share_servers.c.project_id)).all()
    assert [(row.project_id, row.slot, row.status) for row in rows] == [
        ("p1", 0, "creating"),
        ("p2", 0, "creating"),
    ]


def test_a_server_on_its_way_out_is_not_used(
    db: Database, add_pool: Callable[..., str], add_network: Callable[..., ShareNetwork]
):
    """A retired server (no slot) takes no new share: another one is made."""
    add_pool("two", "flat_multi_svm")
    wanted = request(extra_specs=MULTI, share_network=add_network("n1"))
    with db.write() as tx:
        first = place(tx, wanted)
        tx.execute(update(share_servers).values(slot=None))
    with db.write() as tx:
        second = place(tx, wanted)
    assert first.share_server_id != second.share_server_id


def test_an_unused_server_is_in_use_again(
    db: Database, add_pool: Callable[..., str], add_network: Callable[..., ShareNetwork]
):
    """Placing on an idle server clears the mark from which its removal is counted."""
    add_pool("two", "flat_multi_svm")
    wanted = request(extra_specs=MULTI, share_network=add_network("n1"))
    with db.write() as tx:
        place(tx, wanted)
        tx.execute(update(share_servers).values(unused_since=share_servers.c.created_at))
        place(tx, wanted)
    with db.read() as tx:
        assert tx.scalar(select(share_servers.c.unused_since)) is None


def test_the_roomiest_pool_wins_and_the_next_one_follows(
    db: Database, add_pool: Callable[..., str]
):
    """Placements go where most is free, counting what was placed since the report."""
    add_pool("one", "single_svm", free=50)
    add_pool("two", "single_svm", free=45)
    hosts = []
    for _ in range(3):
        with db.write() as tx:
            hosts.append(place(tx, request(size=10)).host)
    assert hosts == ["node1@one", "node1@two", "node1@one"]


@pytest.mark.every_database
def test_the_last_room_is_given_once(db: Database, add_pool: Callable[..., str]):
    """Of twenty placements at once on room for seven, exactly seven succeed."""
    host = add_pool("one", "single_svm", free=70)

    def work(_: int) -> Placement | NoPlace:
        with db.write() as tx:
            return place(tx, request(size=10))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(work, range(20)))
    placed = [item for item in answers if isinstance(item, Placement)]
    assert sorted(item.export_id for item in placed) == list(range(1, 8))
    assert free(db, host) == 0
    refused = [item for item in answers if isinstance(item, NoPlace)]
    assert {item.message for item in refused} == {"1 backend: 1 lacks 10 GiB free."}


def test_the_reasons_are_counted(
    db: Database, add_pool: Callable[..., str], add_network: Callable[..., ShareNetwork]
):
    """The sentence for the user counts pools by reason; nothing is written."""
    add_pool("one", "managed_multi_svm", free=5)
    add_pool("two", "managed_multi_svm", free=6)
    add_pool("three", "flat_multi_svm", free=90)
    network = add_network("n1", (None, "net"))
    asked = {"driver_mode": "managed_multi_svm"}
    with db.write() as tx:
        answer = place(tx, request(extra_specs=asked, share_network=network))
        assert tx.scalar(select(share_servers.c.id)) is None
    assert isinstance(answer, NoPlace)
    assert answer.message == (
        "3 backends: 2 lack 10 GiB free, 1 is flat_multi_svm but the type asks managed_multi_svm."
    )


@pytest.mark.parametrize("down", [{"disabled": True}, {"silent_for": 120}])
def test_a_backend_that_is_down_is_no_candidate(
    db: Database, add_pool: Callable[..., str], down: dict[str, Any]
):
    """Disabled services and those that were not seen take nothing."""
    add_pool("one", "single_svm", **down)
    with db.write() as tx:
        answer = place(tx, request())
    assert isinstance(answer, NoPlace)
    assert answer.message == "No storage backend is up."


def test_excluded_backends_are_passed_over(db: Database, add_pool: Callable[..., str]):
    """A backend that refused the share gets it no second time."""
    roomy = add_pool("one", "single_svm", free=90)
    other = add_pool("two", "single_svm", free=20)
    with db.write() as tx:
        assert place(tx, request(), {roomy}).host == other
        assert isinstance(place(tx, request(), {roomy, other}), NoPlace)


def test_what_no_backend_could_take_is_refused_at_once(
    db: Database, add_pool: Callable[..., str], add_network: Callable[..., ShareNetwork]
):
    """Managed without a network, or without a subnet where none is made, names the field to add."""
    add_pool("one", "managed_multi_svm")
    managed = {"driver_mode": "managed_multi_svm"}
    with db.read() as tx, pytest.raises(BadRequest, match="add share_network_id"):
        refuse_at_once(pool_rows.every(tx), managed, None)
    empty = add_network("empty")
    with db.read() as tx, pytest.raises(BadRequest, match="neutron_net_id"):
        refuse_at_once(pool_rows.every(tx), managed, empty)
    with db.read() as tx, pytest.raises(BadRequest, match="share_network_id"):
        refuse_at_once(pool_rows.every(tx), {"driver_mode": "flat_multi_svm"}, None)


def test_what_some_backend_could_take_is_not_refused_at_once(
    db: Database, add_pool: Callable[..., str], add_network: Callable[..., ShareNetwork]
):
    """Flat takes a network without subnets, single none; managed where networks are made."""
    add_pool("one", "managed_multi_svm")
    empty, named = add_network("empty"), add_network("named", (None, "net"))
    managed = {"driver_mode": "managed_multi_svm"}
    with db.read() as tx:
        refuse_at_once(pool_rows.every(tx), {"driver_mode": "flat_multi_svm"}, empty)
        refuse_at_once(pool_rows.every(tx), {"driver_handles_share_servers": "False"}, None)
        refuse_at_once(pool_rows.every(tx), {"driver_mode": "any"}, None)
        refuse_at_once(pool_rows.every(tx), managed, named)
    add_pool("two", "managed_multi_svm", makes_networks=True)
    with db.read() as tx:
        refuse_at_once(pool_rows.every(tx), managed, empty)


def test_a_report_does_not_give_out_room_twice(db: Database, add_pool: Callable[..., str]) -> None:
    """Free space measured before a share was made is reported less that share's size."""
    host = add_pool("one", "single_svm", free=70)
    add_share_on(db, host, size=10, made=False)
    with db.read() as tx:
        (pool,) = pool_rows.survey(tx).live
    with db.write() as tx:
        pool_rows.report(tx, host, [replace(pool, free_gib=70, reported_at=now())])
    assert free(db, host) == 60
    with db.write() as tx:
        tx.execute(update(share_instances).values(made=True, updated_at=now()))
        before = now() - timedelta(seconds=5)
        pool_rows.report(tx, host, [replace(pool, free_gib=70, reported_at=before)])
    assert free(db, host) == 60
    with db.write() as tx:
        pool_rows.report(tx, host, [replace(pool, free_gib=61, reported_at=now())])
    assert free(db, host) == 61


def add_share_on(db: Database, host: str, *, size: int, made: bool) -> None:
    """The rows of a share that was placed there."""
    with db.write() as tx:
        tx.execute(insert(share_types).values(id="t", name="t", is_public=True, created_at=now()))
        tx.execute(
            insert(shares).values(
                id="s1",
                project_id="p1",
                size=size,
                share_proto="NFS",
                share_type_id="t",
                is_public=False,
                created_at=now(),
            )
        )
        tx.execute(
            insert(share_instances).values(
                id="i1",
                share_id="s1",
                primary_slot=1,
                status="creating",
                access_rules_status="active",
                host=host,
                pool="main",
                wanted_size=size,
                made=made,
                created_at=now(),
            )
        )
