"""What would come of a request for a share: which backends fit, and why each other does not.

Asks the same questions as `abaca.share.create`, in the same words, and makes
nothing: no share, no share server, no promise of room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abaca.context import Context
from abaca.db import pools, share_networks
from abaca.db.database import Tx
from abaca.db.pools import Survey
from abaca.errors import BadRequest, NotFound
from abaca.model.pool import Pool
from abaca.model.share_network import ShareNetwork
from abaca.model.share_type import ShareType
from abaca.scheduler.driver_mode import needs_network
from abaca.scheduler.filters import NOT_UP, refusal_of
from abaca.scheduler.place import no_place, refuse_at_once
from abaca.scheduler.request import PlacementRequest, Refusal
from abaca.scheduler.weighers import by_free_space
from abaca.share.choices import Defaults, check_active, choose_type
from abaca.share.create import NewShare, check_protocol, zone_of
from abaca.share.default_network import Default, default_network
from abaca.share.features import check_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """A pool, and why it does not fit."""

    pool: Pool
    refusal: Refusal | None
    """None if it fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer to a would-be request."""

    share_type: ShareType
    size: int
    zone: str | None
    network: ShareNetwork | None
    """The share network that would be used by a backend with share servers."""
    default: Default | None
    """Where that comes from, if the request names none and the type needs one."""
    refused: str | None
    """With what the request would be refused at once; None if it would be accepted."""
    message: str | None
    """What its project would be told if it were accepted: None if some backend fits."""
    considered: tuple[Considered, ...]
    """Those that fit first, the one that would be taken at the front."""


def explain(tx: Tx, ctx: Context, wanted: NewShare, defaults: Defaults) -> Explanation:
    """The answer; `NotFound` for a type, share network or zone that the caller can't name."""
    share_type = choose_type(tx, ctx, wanted.share_type, defaults, parent=None)
    network, default = _network(tx, ctx, wanted, share_type, defaults)
    survey = pools.survey(tx)
    zone, refused = _checked(tx, wanted, share_type, network, default, survey=survey)
    request = PlacementRequest(
        share_id="",
        project_id=ctx.project_id,
        size_gib=wanted.size or 1,
        protocol=wanted.share_proto,
        extra_specs=share_type.extra_specs,
        share_network=network,
        availability_zone=zone,
    )
    live, down = survey.live, survey.not_up
    considered = _considered(request, live, down)
    refusals = [item.refusal for item in considered if item.refusal is not None]
    none_fits = len(refusals) == len(considered)
    return Explanation(
        share_type=share_type,
        size=request.size_gib,
        zone=zone,
        network=network,
        default=default,
        refused=refused,
        message=no_place(refusals[: len(live)], live, not_up=down).message if none_fits else None,
        considered=considered,
    )


def _considered(
    request: PlacementRequest, live: Sequence[Pool], down: Sequence[Pool]
) -> tuple[Considered, ...]:
    judged = [Considered(pool=pool, refusal=refusal_of(request, pool)) for pool in live]
    fit = by_free_space(item.pool for item in judged if item.refusal is None)
    return (
        *(Considered(pool=pool, refusal=None) for pool in fit),
        *(item for item in judged if item.refusal is not None),
        *(Considered(pool=pool, refusal=NOT_UP) for pool in down),
    )


def _network(
    tx: Tx, ctx: Context, wanted: NewShare, share_type: ShareType, defaults: Defaults
) -> tuple[ShareNetwork | None, Default | None]:
    """The share network asked for; else the default, where the type needs one."""
    if wanted.share_network_id is not None:
        # An administrator asks about anybody's, since nothing is put on it.
        scope = None if ctx.is_admin else ctx.project_id
        found = share_networks.visible(tx, wanted.share_network_id, scope)
        if found is None:
            raise NotFound(f"Share network {wanted.share_network_id} could not be found.")
        return found, None
    if not needs_network(share_type.extra_specs):
        return None, None
    default = default_network(tx, share_type, defaults.share_network)
    return (default.network if default else None), default


def _checked(
    tx: Tx,
    wanted: NewShare,
    share_type: ShareType,
    network: ShareNetwork | None,
    default: Default | None,
    *,
    survey: Survey,
) -> tuple[str | None, str | None]:
    """The zone, and the first reason to refuse the request at once."""
    zone = None
    try:
        zone = zone_of(tx, wanted, share_type, None)
        check_protocol(survey, wanted.share_proto)
        check_size(share_type, wanted.size or 1)
        if default is not None:
            default.usable()
        if network is not None:
            check_active(network)
        refuse_at_once(survey.every, share_type.extra_specs, network, zone)
    except BadRequest as error:
        return zone, error.message
    return zone, None
