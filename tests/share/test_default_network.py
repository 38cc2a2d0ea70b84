"""The default share network: every order of those who may say it, each silent, right or wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import insert, update

from abaca.db import share_instances, share_networks, share_types
from abaca.db.database import Tx
from abaca.db.tables import new_id, now
from abaca.db.tables import share_networks as rows
from abaca.errors import BadRequest, Conflict, NotFound
from abaca.model.share import Share
from abaca.model.share_type import ShareType
from abaca.share import public_networks
from abaca.share.choices import Defaults
from abaca.share.default_network import Source, default_network
from abaca.share.share_networks import delete
from support.share_world import ADMIN, BLUE, RED, World

GOOD = ("good by name", "good by ID")
# What a source names: what is wrong with that, as the refusal says it.
BAD = {
    "missing": "names no share network that exists",
    "private": "is no public share network",
    "private by ID": "is no public share network",
    "ambiguous": "names 2 public share networks",
    "deleted": "names no share network that exists",
    "in error": "is a share network with status error",
}
SAYS = ("nothing", *GOOD, *BAD)
DESIGNATED = ("nothing", "good by ID", "in error")
"""A private or deleted one can't be designated."""
WHERE = {
    Source.SHARE_TYPE: "of share type silver",
    Source.CONFIGURATION: "of the configuration",
    Source.DESIGNATED: "was designated as default through the API",
}


def network(tx: Tx, name: str, *, public: bool = True, status: str = "active") -> str:
    """A share network; its ID."""
    network_id = new_id()
    tx.execute(
        insert(rows).values(
            id=network_id,
            project_id="ops",
            name=name,
            status=status,
            is_public=public,
            created_at=now(),
        )
    )
    return network_id


def scene(tx: Tx, source: Source) -> dict[str, str | None]:
    """What a source may name, by what is right or wrong with it; networks of its own."""
    good = network(tx, f"{source}-good")
    private = network(tx, f"{source}-private", public=False)
    # A private one of the same name makes nothing ambiguous, and is never taken.
    network(tx, f"{source}-good", public=False)
    for _ in range(2):
        network(tx, f"{source}-twice")
    network(tx, f"{source}-deleted", status="deleting")
    return {
        "nothing": None,
        "good by name": f"{source}-good",
        "good by ID": good,
        "missing": "nonsense",
        "private": f"{source}-private",
        "private by ID": private,
        "ambiguous": f"{source}-twice",
        "deleted": f"{source}-deleted",
        "in error": network(tx, f"{source}-broken", status="error"),
    }


def designate(tx: Tx, network_id: str | None) -> None:
    """Without its checks: also what went wrong after it was designated."""
    tx.execute(update(rows).values(default_slot=None))
    if network_id:
        tx.execute(update(rows).where(rows.c.id == network_id).values(default_slot=1))


def orders() -> Iterator[dict[Source, str]]:
    """Everything that the three may say together."""
    for of_type, configured, designated in product(SAYS, SAYS, DESIGNATED):
        yield {
            Source.SHARE_TYPE: of_type,
            Source.CONFIGURATION: configured,
            Source.DESIGNATED: designated,
        }


def test_every_order(world: World) -> None:
    """The first that says anything decides: its network, or a refusal that names it; no other."""
    with world.db.write() as tx:
        silver = share_types.get(tx, world.names["silver"])
        assert silver is not None
        scenes = {source: scene(tx, source) for source in Source}
        seen = set()
        for said in orders():
            designate(tx, scenes[Source.DESIGNATED][said[Source.DESIGNATED]])
            values = {source: scenes[source][said[source]] for source in Source}
            found = default_network(
                tx, with_spec(silver, values[Source.SHARE_TYPE]), values[Source.CONFIGURATION]
            )
            first = next((source for source in Source if said[source] != "nothing"), None)
            if first is None:
                assert found is None
                continue
            assert found is not None
            assert found.said.source is first
            seen.add((first, said[first]))
            if said[first] in GOOD:
                assert found.usable().id == scenes[first]["good by ID"]
                continue
            with pytest.raises(BadRequest) as refused:
                found.usable()
            assert WHERE[first] in str(refused.value)
            assert BAD[said[first]] in str(refused.value)
            assert str(values[first]) in str(refused.value)
    assert len(seen) == 2 * (len(SAYS) - 1) + 2


def with_spec(share_type: ShareType, value: str | None) -> ShareType:
    """The type as it would be with this default."""
    specs = {} if value is None else {"default_share_network": value}
    return replace(share_type, extra_specs={**share_type.extra_specs, **specs})


def make_default(world: World, network_id: str) -> None:
    """As an administrator does it."""
    with world.db.write() as tx:
        public_networks.designate(tx, ADMIN, network_id)


def create(world: World, configured: str | None = None, **wanted: object) -> Share:
    """Red's share of a type that needs a share network."""
    return world.create(RED, Defaults(share_type="silver", share_network=configured), **wanted)


def test_the_request_comes_first(world: World) -> None:
    """A request that names a share network has no need of a default, whatever is wrong with it."""
    share = create(world, "nonsense", share_network_id=world.names["red_net"])
    assert share.share_network_id == share.effective_share_network_id == world.names["red_net"]


def test_a_type_that_needs_none_never_looks(world: World) -> None:
    """single_svm and ``any`` are served with a default that can't be used."""
    specs = {"driver_handles_share_servers": "True", "driver_mode": "any"}
    with world.db.write() as tx:
        share_types.create(tx, name="open", description=None, is_public=True, extra_specs=specs)
    for name in ("gold", "open"):
        share = world.create(RED, Defaults(share_type=name, share_network="nonsense"))
        assert (share.instance.host, share.effective_share_network_id) == ("node1@one", None)


def test_the_designated_one_is_used_last(world: World) -> None:
    """Without a word of type or configuration; the configuration's comes first."""
    make_default(world, world.names["public_net"])
    share = create(world)
    assert share.share_network_id is None
    assert share.effective_share_network_id == world.names["public_net"]
    with world.db.write() as tx:
        other = network(tx, "other")
    assert create(world, "other").effective_share_network_id == other
    with pytest.raises(BadRequest, match="of the configuration"):
        create(world, "nonsense")


def test_a_share_stays_where_it_is_when_the_default_moves(world: World) -> None:
    """The effective network is the share's; the next share has the new one."""
    make_default(world, world.names["public_net"])
    first = create(world)
    with world.db.write() as tx:
        other = network(tx, "other")
    make_default(world, other)
    assert create(world).effective_share_network_id == other
    with world.db.read() as tx:
        found = share_networks.visible(tx, world.names["public_net"], None)
        assert found is not None
        assert found.default_slot is None
    # For another placement of the first it counts what was used, and it keeps its network.
    assert first.request["share_network_id"] == world.names["public_net"]
    with pytest.raises(Conflict, match=r"1 share\(s\) of 1 other project"), world.db.write() as tx:
        delete(tx, ADMIN, world.names["public_net"])


def test_the_default_is_neither_deleted_nor_unpublished(world: World) -> None:
    """Until another one is designated, or none."""
    make_default(world, world.names["public_net"])
    for _ in range(2):
        with pytest.raises(Conflict, match="is the default"), world.db.write() as tx:
            unpublish(tx, world.names["public_net"])
        with pytest.raises(Conflict, match="is the default"), world.db.write() as tx:
            delete(tx, ADMIN, world.names["public_net"])
    for _ in range(2):
        with world.db.write() as tx:
            public_networks.undesignate(tx)
    with world.db.write() as tx:
        unpublish(tx, world.names["public_net"])
        delete(tx, ADMIN, world.names["public_net"])


def unpublish(tx: Tx, network_id: str) -> None:
    """As an administrator does it."""
    found = share_networks.visible(tx, network_id, None, lock=True)
    assert found is not None
    public_networks.set_public(tx, ADMIN, found, public=False)


def test_only_what_is_public_and_active_is_designated(world: World) -> None:
    """The others are refused, and the default stays."""
    make_default(world, world.names["public_net"])
    with world.db.write() as tx:
        broken = network(tx, "broken", status="error")
    for network_id, why in ((world.names["red_net"], "not public"), (broken, "is error")):
        with pytest.raises(Conflict, match=why), world.db.write() as tx:
            public_networks.designate(tx, ADMIN, network_id)
    assert create(world).effective_share_network_id == world.names["public_net"]


def test_taking_back_a_network_that_others_use(world: World) -> None:
    """Refused with how many and not whose; once they are gone, idle share servers go along."""
    public = world.names["public_net"]
    made = [
        world.create(who, Defaults(share_type="silver"), share_network_id=public)
        for who in (RED, BLUE, BLUE)
    ]
    with pytest.raises(Conflict) as refused, world.db.write() as tx:
        unpublish(tx, public)
    assert "3 share(s) of 2 other project(s)" in str(refused.value)
    assert not any(name in str(refused.value) for name in ("red", "blue"))
    with world.db.write() as tx:
        for share in made:
            share_instances.remove(tx, share.instance)
        unpublish(tx, public)
    servers = {share.instance.share_server_id for share in made}
    assert len(servers) == 2
    assert {resource for kind, resource, *_ in world.tasks() if kind == "share_server"} == servers
    with pytest.raises(NotFound):
        world.create(BLUE, Defaults(share_type="silver"), share_network_id=public)
