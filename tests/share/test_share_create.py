"""Creating shares: what is recorded, what is queued, what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from abaca.db import quotas, share_networks, share_types, shares
from abaca.db.tables import pools, share_servers
from abaca.db.tables import shares as share_rows
from abaca.errors import BadRequest, NotFound, OverLimit
from abaca.model.quota import Resource, Scope
from abaca.share.choices import Defaults
from abaca.states import ShareStatus
from support.share_world import ADMIN, BLUE, RED, World


@pytest.mark.every_database
def test_placed_recorded_and_queued(world: World) -> None:
    """A new share has a place, an export ID and one task in its own lane."""
    share = world.create()
    with world.db.read() as tx:
        read = shares.get(tx, share.id)
    assert read == share
    instance = share.instance
    assert (instance.host, instance.pool, instance.export_id) == ("node1@one", "main", 1)
    assert instance.status is ShareStatus.CREATING
    assert world.tasks() == [("share", instance.id, "node1@one", instance.id)]


@pytest.mark.every_database
def test_lane_of_a_share_server(world: World) -> None:
    """Shares of one share server wait for each other, and have export IDs of their own."""
    wanted = {"share_type": "silver", "share_network_id": world.names["red_net"]}
    first, second = world.create(**wanted), world.create(**wanted)
    server = first.instance.share_server_id
    assert server is not None
    assert second.instance.share_server_id == server
    assert {lane for *_, lane in world.tasks()} == {server}
    assert first.instance.export_id != second.instance.export_id


def test_two_projects_on_a_public_network_have_two_servers(world: World) -> None:
    """A share server is never shared between projects."""
    wanted = {"share_type": "silver", "share_network_id": world.names["public_net"]}
    servers = {world.create(who, **wanted).instance.share_server_id for who in (RED, BLUE)}
    assert len(servers) == 2
    with world.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(share_servers)) == 2


def test_no_room_tells_why(world: World) -> None:
    """A share that fits nowhere is in error, without a task, and a message has the reasons."""
    share = world.create(size=500)
    assert share.instance.status is ShareStatus.ERROR
    assert world.tasks() == []
    ((resource, detail, text),) = world.messages()
    assert (resource, detail) == (share.id, "002")
    assert "500 GiB free" in text
    assert "flat_multi_svm" in text


@pytest.mark.every_database
def test_what_was_asked_is_kept_for_another_placement(world: World) -> None:
    """Zone, network and hints are with the share, for when it has to go elsewhere."""
    first = world.create()
    share = world.create(
        share_type="silver",
        share_network_id=world.names["red_net"],
        availability_zone="north",
        different_host=(first.id,),
    )
    assert share.request == {
        "availability_zone": "north",
        "share_network_id": world.names["red_net"],
        "only_host": None,
        "same_host": [],
        "different_host": [first.id],
    }


@pytest.mark.parametrize("who", [BLUE, ADMIN], ids=["another project", "an administrator"])
def test_somebody_elses_network(world: World, who: object) -> None:
    """Knowing the ID of a share network is not enough to use it (CVE-2020-9543)."""
    with pytest.raises(NotFound):
        world.create(who, share_type="silver", share_network_id=world.names["red_net"])  # type: ignore[arg-type]
    assert world.tasks() == []


def test_private_type(world: World) -> None:
    """A private type is not found by those who may not use it, and used by those who may."""
    with world.db.write() as tx:
        share_types.change(tx, world.names["gold"], {"is_public": False})
        share_types.add_project(tx, world.names["gold"], "red")
    assert world.create(RED).share_type_id == world.names["gold"]
    with pytest.raises(NotFound):
        world.create(BLUE, share_type=world.names["gold"])


def test_no_default_type(world: World) -> None:
    """Without a type and without a default the refusal says what to do."""
    with pytest.raises(BadRequest, match="share_type"):
        world.create(RED, Defaults())


@pytest.mark.parametrize("by", ["name", "id"])
def test_default_network_of_the_configuration(world: World, by: str) -> None:
    """Where a type needs a share network and none is asked, the configured public one is used."""
    name = "common" if by == "name" else world.names["public_net"]
    share = world.create(RED, Defaults(share_type="silver", share_network=name))
    assert share.share_network_id is None
    assert share.effective_share_network_id == world.names["public_net"]


def test_default_network_of_the_type_comes_first(world: World) -> None:
    """The type's extra spec wins over the configuration, and is never passed over in silence."""
    silver = world.names["silver"]
    with world.db.write() as tx:
        share_types.set_extra_specs(tx, silver, {"default_share_network": "common"})
    defaults = Defaults(share_type="silver", share_network="nonsense")
    assert world.create(RED, defaults).effective_share_network_id == world.names["public_net"]
    with world.db.write() as tx:
        share_types.set_extra_specs(tx, silver, {"default_share_network": "gone"})
    with pytest.raises(BadRequest, match="gone"):
        world.create(RED, Defaults(share_type="silver", share_network="common"))


@pytest.mark.parametrize("name", ["own", "nonsense"])
def test_default_network_that_is_none(world: World, name: str) -> None:
    """A default that is not public or not there is named, not passed over."""
    with pytest.raises(BadRequest, match=f"{name} of the configuration"):
        world.create(RED, Defaults(share_type="silver", share_network=name))


def test_ambiguous_default_network(world: World) -> None:
    """A name that two public share networks have is no default."""
    with world.db.write() as tx:
        share_networks.change(tx, world.names["red_net"], name="common", is_public=True)
    with pytest.raises(BadRequest, match="2 public"):
        world.create(RED, Defaults(share_type="silver", share_network="common"))


def test_single_takes_no_default_network(world: World) -> None:
    """A type that needs no share network is not given one."""
    share = world.create(RED, Defaults(share_type="gold", share_network="common"))
    assert share.effective_share_network_id is None


@pytest.mark.every_database
def test_parallel_creates_never_overshoot_the_quota(world: World) -> None:
    """Of 24 creates at once with a quota of 7, exactly 7 succeed."""
    with world.db.write() as tx:
        quotas.set_limits(tx, Scope(project_id="red"), {Resource.SHARES: 7})

    def one(_: int) -> bool:
        try:
            world.create()
        except OverLimit:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        made = sum(threads.map(one, range(24)))
    assert made == 7
    with world.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(share_rows)) == 7
    assert len(world.tasks()) == 7


@pytest.mark.every_database
def test_parallel_creates_never_overfill_a_pool(world: World) -> None:
    """Of 12 creates of 20 GiB at once in a pool of 100, exactly 5 find room."""
    with ThreadPoolExecutor(6) as threads:
        made = list(threads.map(lambda _: world.create(size=20), range(12)))
    placed = [share for share in made if share.instance.host is not None]
    assert len(placed) == 5
    assert len({share.instance.export_id for share in placed}) == 5
    with world.db.read() as tx:
        assert tx.scalar(select(pools.c.free_gib).where(pools.c.host == "node1@one")) == 0


def test_protocols_are_those_of_all_backends(world: World) -> None:
    """The refusal of a protocol lists what every backend serves."""
    with world.db.write() as tx:
        where = pools.c.host == "node1@two"
        tx.execute(update(pools).where(where).values(protocols=["NFS", "CIFS"]))
    with pytest.raises(BadRequest, match="CIFS, NFS"):
        world.create(share_proto="GLUSTERFS")
