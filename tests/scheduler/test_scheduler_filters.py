"""Filters: pure, and each refusal has its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies
from scheduler_values import share_network

from abaca.db.tables import now
from abaca.errors import BadRequest
from abaca.model.pool import Pool
from abaca.model.share_network import ShareNetwork
from abaca.modes import DriverMode
from abaca.scheduler import specs
from abaca.scheduler.driver_mode import check_type, needs_network
from abaca.scheduler.filters import FILTERS, judge
from abaca.scheduler.request import PlacementRequest
from abaca.scheduler.weighers import by_free_space

POOL = Pool(
    host="node1@one",
    name="main",
    backend="one",
    driver_mode=DriverMode.SINGLE,
    availability_zone="nova",
    protocols=("NFS",),
    makes_networks=False,
    total_gib=100,
    free_gib=50,
    capabilities={"snapshot_support": True, "thin": False, "speed": 7, "disk": "ssd"},
    version=0,
    reported_at=now(),
)
REQUEST = PlacementRequest(share_id="s", project_id="p", size_gib=10, protocol="NFS")

NONE = None
EMPTY = share_network("empty")
UNNAMED = share_network("unnamed", (None, None))
NAMED = share_network("named", (None, "net"))
ELSEWHERE = share_network("elsewhere", ("other", "net"))
MIXED = share_network("mixed", (None, "net"), (None, None))
SINGLE, FLAT, MANAGED = DriverMode.SINGLE, DriverMode.FLAT, DriverMode.MANAGED
MAKER = "maker"

# What may take it (the pools single, flat, managed, and managed that makes networks), by what
# the type says of modes and by share network.
CELLS = [
    ({"driver_handles_share_servers": "False"}, network, {SINGLE})
    for network in (NONE, EMPTY, UNNAMED, NAMED, ELSEWHERE)
] + [
    ({"driver_handles_share_servers": "True"}, NONE, set()),
    ({"driver_handles_share_servers": "True"}, EMPTY, {FLAT, MAKER}),
    ({"driver_handles_share_servers": "True"}, UNNAMED, {FLAT, MAKER}),
    ({"driver_handles_share_servers": "True"}, NAMED, {FLAT, MANAGED, MAKER}),
    ({"driver_handles_share_servers": "True"}, ELSEWHERE, {FLAT}),
    ({"driver_handles_share_servers": "True"}, MIXED, {FLAT, MAKER}),
    ({"driver_mode": "single_svm"}, NONE, {SINGLE}),
    ({"driver_mode": "single_svm"}, NAMED, {SINGLE}),
    ({"driver_mode": "flat_multi_svm"}, NONE, set()),
    ({"driver_mode": "flat_multi_svm"}, EMPTY, {FLAT}),
    ({"driver_mode": "flat_multi_svm"}, NAMED, {FLAT}),
    ({"driver_mode": "flat_multi_svm"}, ELSEWHERE, {FLAT}),
    ({"driver_mode": "managed_multi_svm"}, NONE, set()),
    ({"driver_mode": "managed_multi_svm"}, EMPTY, {MAKER}),
    ({"driver_mode": "managed_multi_svm"}, UNNAMED, {MAKER}),
    ({"driver_mode": "managed_multi_svm"}, NAMED, {MANAGED, MAKER}),
    ({"driver_mode": "managed_multi_svm"}, ELSEWHERE, set()),
    *[
        ({"driver_mode": "any", "driver_handles_share_servers": boolean}, network, fit)
        for boolean in ("True", "False")
        for network, fit in (
            (NONE, {SINGLE}),
            (EMPTY, {SINGLE}),
            (UNNAMED, {SINGLE}),
            (NAMED, {FLAT, MANAGED, MAKER}),
            (ELSEWHERE, {FLAT}),
        )
    ],
    ({}, NONE, {SINGLE}),
    ({}, NAMED, {SINGLE, FLAT, MANAGED, MAKER}),
]


@pytest.mark.parametrize(("extra_specs", "network", "fit"), CELLS)
def test_each_cell_of_mode_and_network(
    extra_specs: dict[str, str], network: ShareNetwork | None, fit: set[str]
):
    """Every combination of mode specs and share network is taken by exactly the right pools."""
    pools = {
        SINGLE: POOL,
        FLAT: replace(POOL, host="node1@two", driver_mode=FLAT),
        MANAGED: replace(POOL, host="node1@three", driver_mode=MANAGED),
        MAKER: replace(POOL, host="node1@four", driver_mode=MANAGED, makes_networks=True),
    }
    request = replace(REQUEST, extra_specs=extra_specs, share_network=network)
    verdict = judge(request, pools.values(), ())
    assert {name for name, pool in pools.items() if pool in verdict.fit} == fit
    assert len(verdict.fit) + len(verdict.refused) == len(pools)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size_gib": 51}, "lacks 51 GiB free"),
        ({"protocol": "CIFS"}, "does not serve CIFS"),
        ({"availability_zone": "west"}, "is not in availability zone west"),
        ({"source_host": "node1@two"}, "has not the snapshot"),
        ({"different_host": frozenset({"node1@one"})}, "has a share named in different_host"),
        (
            {"same_host": frozenset({"node1@two"})},
            "is not where the shares named in same_host are",
        ),
        (
            {"extra_specs": {"availability_zones": "west, east"}},
            "is in nova, which is none of the type's availability zones",
        ),
        (
            {"extra_specs": {"revert_to_snapshot_support": "True"}},
            "has not the capability revert_to_snapshot_support = True",
        ),
        ({"extra_specs": {"thin": "<is> True"}}, "has not a capability that the share type asks"),
        ({"only_host": "node7@two"}, "is not what only_host names"),
        (
            {"extra_specs": {"driver_mode": "flat_multi_svm"}},
            "is single_svm but the type asks flat_multi_svm",
        ),
    ],
)
def test_a_refusal_says_why(changes: dict[str, Any], reason: str):
    """Each filter's refusal names what is missing."""
    verdict = judge(replace(REQUEST, **changes), [POOL], ())
    assert [item.one for item in verdict.refused] == [reason]


@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        (
            {"extra_specs": {"thin": "<is> True"}},
            "has not a capability that the share type asks: thin = <is> True",
        ),
        (
            {"extra_specs": {"capabilities:snapshot_support": "s== sometimes", "x": "y"}},
            "has not a capability that the share type asks: snapshot_support = s== sometimes",
        ),
        ({"only_host": "node7@two"}, "is not what only_host names: node7@two"),
        ({"size_gib": 51}, "lacks 51 GiB free"),
    ],
)
def test_administrators_are_told_the_whole(changes: dict[str, Any], whole: str):
    """Hosts, and extra specs that tenants don't see: also in scope, whatever the name."""
    (refusal,) = judge(replace(REQUEST, **changes), [POOL], ()).refused
    assert refusal.whole == whole
    assert refusal.hidden not in refusal.one or not refusal.hidden


def test_a_backend_that_refused_is_not_asked_again():
    """An excluded backend is refused, whatever it has."""
    verdict = judge(REQUEST, [POOL], {"node1@one"})
    assert not verdict.fit
    assert verdict.refused[0].one == "could not take it when tried"


@pytest.mark.parametrize(
    ("value", "wanted", "met"),
    [
        (7, "= 7", True),
        (7, "= 8", False),
        (7, ">= 7", True),
        (7, "<= 6", False),
        (7, "> 6.5", True),
        (7, "< 7", False),
        (7, "== 7", True),
        (7, "!= 7", False),
        ("7", "7", True),
        (7, "7", True),
        ("b", "s== b", True),
        ("b", "s!= b", False),
        ("b", "s>= a", True),
        ("b", "s> b", False),
        ("b", "s<= a", False),
        ("b", "s< c", True),
        ("ssd fast", "<in> fast", True),
        ("ssd", "<in> fast", False),
        (True, "<is> True", True),
        (True, "<is> False", False),
        (False, "<is> false", True),
        (True, "True", True),
        (True, "yes", True),
        (True, "false", False),
        ("sas", "<or> ssd <or> sas", True),
        ("tape", "<or> ssd <or> sas", False),
        (("nfs", "cifs"), "cifs", True),
        (("nfs",), "cifs", False),
        ("x", ">= 1", False),
        (None, "x", False),
        ("maybe", "<is> perhaps", False),
    ],
)
def test_operators(value: specs.Value | None, wanted: str, met: bool):
    """Each operator compares as administrators of this API expect."""
    assert specs.satisfies(value, wanted) is met


def test_scopes_and_consumed_specs():
    """Other scopes and the mode specs are not capabilities; a false offer asks for nothing."""
    asked = specs.capabilities_asked(
        {
            "driver_mode": "any",
            "driver_handles_share_servers": "True",
            "default_share_network": "x",
            "availability_zones": "a",
            "provisioning:max_share_size": "5",
            "snapshot_support": "False",
            "create_share_from_snapshot_support": "True",
            "capabilities:disk": "ssd",
        }
    )
    assert asked == {"create_share_from_snapshot_support": "True", "disk": "ssd"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"driver_mode": "multi"},
        {"driver_mode": "single_svm", "driver_handles_share_servers": "True"},
        {"driver_mode": "managed_multi_svm", "driver_handles_share_servers": "false"},
    ],
)
def test_a_type_that_contradicts_itself(wrong: dict[str, str]):
    """Unknown modes and a boolean that contradicts the mode are refused."""
    with pytest.raises(BadRequest, match="driver_mode"):
        check_type(wrong)


def test_any_takes_either_boolean():
    """With driver_mode = any the boolean contradicts nothing, and no network is needed."""
    for text in ("True", "False"):
        extra_specs = {"driver_mode": "any", "driver_handles_share_servers": text}
        check_type(extra_specs)
        assert needs_network(extra_specs) is False
    assert needs_network({"driver_handles_share_servers": "True"}) is True


pools = strategies.builds(
    Pool,
    host=strategies.sampled_from(["a@1", "b@2", "c@3"]),
    name=strategies.sampled_from(["x", "y"]),
    backend=strategies.sampled_from(["1", "2"]),
    driver_mode=strategies.sampled_from(DriverMode),
    availability_zone=strategies.sampled_from(["nova", "west"]),
    protocols=strategies.sampled_from([("NFS",), ("NFS", "CIFS")]),
    makes_networks=strategies.booleans(),
    total_gib=strategies.just(100.0),
    free_gib=strategies.floats(-10, 100),
    capabilities=strategies.dictionaries(
        strategies.sampled_from(["thin", "disk"]), strategies.booleans()
    ),
    version=strategies.just(0),
    reported_at=strategies.just(now()),
)
requests = strategies.builds(
    PlacementRequest,
    share_id=strategies.just("s"),
    project_id=strategies.just("p"),
    size_gib=strategies.integers(1, 120),
    protocol=strategies.sampled_from(["NFS", "nfs", "CIFS"]),
    extra_specs=strategies.dictionaries(
        strategies.sampled_from(
            ["driver_handles_share_servers", "driver_mode", "thin", "capabilities:disk"]
        ),
        strategies.sampled_from(["True", "False", "any", *DriverMode]),
    ),
    share_network=strategies.sampled_from([NONE, EMPTY, UNNAMED, NAMED, ELSEWHERE]),
    availability_zone=strategies.sampled_from([None, "nova", "west"]),
    source_host=strategies.sampled_from([None, "a@1"]),
    same_host=strategies.frozensets(strategies.sampled_from(["a@1", "b@2"])),
    different_host=strategies.frozensets(strategies.sampled_from(["a@1", "b@2"])),
)


@given(request=requests, given_pools=strategies.lists(pools, max_size=6))
def test_judging_is_pure(request: PlacementRequest, given_pools: list[Pool]):
    """The answer depends on the arguments only, not on order, history or other pools."""
    before = list(given_pools)
    first = judge(request, given_pools, ())
    backwards = judge(request, reversed(given_pools), ())
    assert given_pools == before
    assert judge(request, given_pools, ()) == first
    assert sorted(map(repr, first.fit)) == sorted(map(repr, backwards.fit))
    assert len(first.fit) + len(first.refused) == len(given_pools)
    assert [p for p in given_pools if judge(request, [p], ()).fit] == list(first.fit)


@given(request=requests, pool=pools)
def test_every_refusal_has_words(request: PlacementRequest, pool: Pool):
    """A pool that does not fit is told why by the first filter that holds, in both numbers."""
    refusals = [r for check in FILTERS if (r := check(request, pool)) is not None]
    verdict = judge(request, [pool], ())
    assert list(verdict.refused) == refusals[:1]
    assert all(item.one.strip() and item.many.strip() for item in refusals)


@given(strategies.lists(pools, max_size=6))
def test_weighing_keeps_all_and_orders_by_free_space(given_pools: list[Pool]):
    """The weigher loses no pool and puts the one with most room first."""
    weighed = by_free_space(given_pools)
    assert sorted(map(repr, weighed)) == sorted(map(repr, given_pools))
    assert [p.free_gib for p in weighed] == sorted((p.free_gib for p in given_pools), reverse=True)
