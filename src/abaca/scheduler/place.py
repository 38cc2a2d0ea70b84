"""Choosing a place and taking it, inside the caller's write transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from abaca.db import pools as pool_rows
from abaca.db import share_servers
from abaca.db.database import Tx
from abaca.db.pools import Survey
from abaca.errors import BadRequest
from abaca.model.pool import Pool
from abaca.model.share_network import ShareNetwork
from abaca.modes import DriverMode
from abaca.scheduler.driver_mode import NetworkFault, check_type, modes_asked, network_fault
from abaca.scheduler.filters import NOT_UP, judge, lacks_room
from abaca.scheduler.request import NoPlace, Placement, PlacementRequest, Refusal
from abaca.scheduler.weighers import by_free_space


def place(
    tx: Tx,
    request: PlacementRequest,
    excluded: Collection[str] = frozenset(),
    *,
    survey: Survey | None = None,
) -> Placement | NoPlace:
    """The best pool for the request, with its room, share server and export ID taken.

    ``excluded`` are backends (``host@backend``) that refused it before; ``survey``: the
    pools, if they were read in this transaction already. Nothing is written when the
    answer is `NoPlace`.
    """
    survey = survey or pool_rows.survey(tx)
    verdict = judge(request, survey.live, excluded)
    refused = list(verdict.refused)
    for pool in by_free_space(verdict.fit):
        if pool_rows.take(tx, pool, request.size_gib):
            return _settle(tx, request, pool)
        refused.append(lacks_room(request))
    return no_place(refused, survey.live, not_up=survey.not_up)


def _settle(tx: Tx, request: PlacementRequest, pool: Pool) -> Placement:
    if pool.driver_mode is DriverMode.SINGLE or request.share_network is None:
        server_id, network_id = None, None
        export_id = share_servers.claim_backend_export(tx, pool.host)
    else:
        network_id = request.share_network.id
        key = share_servers.ServerKey(
            host=pool.host,
            project_id=request.project_id,
            share_network_id=network_id,
            availability_zone=pool.availability_zone,
        )
        server_id, export_id = share_servers.claim_export(tx, key)
    return Placement(
        host=pool.host,
        pool=pool.name,
        availability_zone=pool.availability_zone,
        share_server_id=server_id,
        export_id=export_id,
        effective_share_network_id=network_id,
        lane=server_id or request.share_id,
    )


def no_place(
    refused: Sequence[Refusal], pools: Sequence[Pool], *, not_up: Sequence[Pool]
) -> NoPlace:
    """The refusals of the pools counted, with the sentence for the user."""
    if not pools:
        return NoPlace(reasons=(), message="No storage backend is up.")
    # What is hidden is not told, nor by how many different things there are.
    refused = [replace(item, hidden="") for item in refused] + [NOT_UP] * len(not_up)
    reasons = tuple((count, reason) for reason, count in Counter(refused).most_common())
    backends = len({pool.host for pool in (*pools, *not_up)})
    what = "backend" if backends == len(refused) else "pool"
    told = ", ".join(f"{count} {r.one if count == 1 else r.many}" for count, r in reasons)
    plural = "" if len(refused) == 1 else "s"
    return NoPlace(reasons=reasons, message=f"{len(refused)} {what}{plural}: {told}.")


def refuse_at_once(
    pools: Sequence[Pool],
    extra_specs: Mapping[str, str],
    share_network: ShareNetwork | None,
    availability_zone: str | None = None,
) -> None:
    """BadRequest if no backend, full or empty, up or down, could ever take such a request.

    Says which field to add. ``pools``: of all backends; ``share_network`` is the effective one.
    """
    check_type(extra_specs)
    asked = modes_asked(extra_specs, share_network)
    if DriverMode.SINGLE in asked:
        return
    names = " or ".join(mode for mode in DriverMode if mode in asked)
    if share_network is None:
        raise BadRequest(
            f"The share type asks {names}, which puts shares on a share server of their own: "
            "add share_network_id to the request."
        )
    fault = _fault_everywhere(pools, asked, share_network, availability_zone)
    if fault is not None:
        raise BadRequest(f"The share type asks {names} and {fault.why}: {fault.give}.")


def _fault_everywhere(
    pools: Sequence[Pool], asked: Collection[DriverMode], network: ShareNetwork, zone: str | None
) -> NetworkFault | None:
    """What is wrong with the share network for every pool of these modes in the zone."""
    faults = [
        # Flat ones do not look at what it names.
        network_fault(network, pool) if pool.driver_mode is DriverMode.MANAGED else None
        for pool in pools
        if pool.driver_mode in asked and zone in {None, pool.availability_zone}
    ]
    return faults[0] if faults and all(faults) else None
