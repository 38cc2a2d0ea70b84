"""Creating a share: checked, counted, placed, recorded and queued in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from abaca.context import Context, Version
from abaca.db import availability_zones, messages, pools, quotas, share_instances, shares
from abaca.db.database import Tx
from abaca.db.pools import Survey
from abaca.db.tables import new_id, now
from abaca.errors import BadRequest, NotFound
from abaca.model.message import ActionId, DetailId, MessageResource
from abaca.model.quota import Resource
from abaca.model.share import Share, ShareInstance
from abaca.model.share_network import ShareNetwork
from abaca.model.share_type import ShareType
from abaca.model.snapshot import Snapshot
from abaca.scheduler.place import place, refuse_at_once
from abaca.scheduler.request import NoPlace, Placement, PlacementRequest
from abaca.scheduler.specs import zones_asked
from abaca.share import quota
from abaca.share.choices import Defaults, choose_network, choose_type, network_of, usable_network
from abaca.share.extra_specs import FROM_SNAPSHOT, SNAPSHOT
from abaca.share.features import check_size, offers
from abaca.share.lookup import project_snapshot
from abaca.share.tasks import enqueue_share
from abaca.states import AccessRulesStatus, ShareStatus, SnapshotStatus

CLONE_SPEC_SINCE = Version(2, 24)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShare:
    """What a request for a share says."""

    share_proto: str
    size: int | None = None
    """GiB; None only with a snapshot: its size."""
    name: str | None = None
    description: str | None = None
    share_type: str | None = None
    """Name or ID."""
    share_network_id: str | None = None
    snapshot_id: str | None = None
    availability_zone: str | None = None
    """Name or ID."""
    is_public: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    same_host: tuple[str, ...] = ()
    """IDs of shares."""
    different_host: tuple[str, ...] = ()
    only_host: str | None = None
    """``host@backend#pool``, or less of it from the right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What a clone is made from."""

    snapshot: Snapshot
    parent: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """The request, with all that it names looked up."""

    share_type: ShareType
    network: ShareNetwork | None
    """The effective one."""
    zone: str | None
    size: int
    source: _Source | None
    hosts: Mapping[str, frozenset[str]]
    """By scheduler hint: ``host@backend``."""
    survey: Survey


def create(tx: Tx, ctx: Context, wanted: NewShare, defaults: Defaults) -> Share:
    """The new share: ``creating`` with a place and a task, or ``error`` with a user message.

    Whatever the request alone makes impossible is refused; that no backend has
    room now is told by the message, as clients of this API expect.
    """
    return create_typed(tx, ctx, wanted, defaults)[0]


def create_typed(
    tx: Tx, ctx: Context, wanted: NewShare, defaults: Defaults
) -> tuple[Share, ShareType]:
    """As `create`; with the type that it was given."""
    limits = quota.look_up(tx, ctx.project_id, ctx.user_id, defaults.limits)
    if limits.have_counted((Resource.SHARES, Resource.GIGABYTES)):
        # Before all that locks, and is counted: that must be what others committed before.
        quotas.lock_project(tx, ctx.project_id)
    plan = _plan(tx, ctx, wanted, defaults)
    asked = {
        Resource.SHARES: 1,
        Resource.GIGABYTES: plan.size,
        Resource.PER_SHARE_GIGABYTES: plan.size,
    }
    quota.check(tx, limits, asked, share_type_id=plan.share_type.id)
    share = _new(ctx, wanted, plan)
    found = place(tx, _placement_request(share, plan), survey=plan.survey)
    if isinstance(found, NoPlace):
        share = replace(share, instance=replace(share.instance, status=ShareStatus.ERROR))
        shares.add(tx, share)
        _tell(tx, ctx, share, found)
    else:
        share = _placed(share, found)
        shares.add(tx, share)
        enqueue_share(tx, ctx, share)
    return share, plan.share_type


def _plan(tx: Tx, ctx: Context, wanted: NewShare, defaults: Defaults) -> _Plan:
    source = _source(tx, ctx, wanted)
    share_type = choose_type(
        tx, ctx, wanted.share_type, defaults, parent=source.parent if source else None
    )
    if source is not None:
        _check_clonable(ctx, share_type, source.snapshot)
    survey = pools.survey(tx)
    check_protocol(survey, wanted.share_proto)
    zone = zone_of(tx, wanted, share_type, source)
    if source is None:
        network = choose_network(tx, ctx, wanted.share_network_id, share_type, defaults)
        refuse_at_once(survey.every, share_type.extra_specs, network, zone)
    else:
        network = _clone_network(tx, ctx, wanted, source.parent)
    return _Plan(
        share_type=share_type,
        network=network,
        zone=zone,
        size=_size(wanted, share_type, source),
        source=source,
        hosts={
            "same_host": _hosts(tx, ctx, "same_host", wanted.same_host),
            "different_host": _hosts(tx, ctx, "different_host", wanted.different_host),
        },
        survey=survey,
    )


def _source(tx: Tx, ctx: Context, wanted: NewShare) -> _Source | None:
    """The snapshot to clone, and its share."""
    if wanted.snapshot_id is None:
        return None
    snapshot = project_snapshot(tx, ctx, wanted.snapshot_id, lock=True)
    if snapshot.instance.status is not SnapshotStatus.AVAILABLE:
        raise BadRequest(
            f"Snapshot {snapshot.id} is {snapshot.instance.status}; it must be available."
        )
    parent = shares.get(tx, snapshot.share_id)
    if parent is None:
        raise NotFound(f"Snapshot {snapshot.id} could not be found.")
    if wanted.share_proto.upper() != snapshot.share_proto:
        raise BadRequest(
            f"share_proto={wanted.share_proto!r}: a share made from snapshot {snapshot.id} "
            f"has its protocol, {snapshot.share_proto}."
        )
    return _Source(snapshot=snapshot, parent=parent)


def _check_clonable(ctx: Context, share_type: ShareType, snapshot: Snapshot) -> None:
    """Before 2.24 whatever had snapshots could be made from them; the backend still must."""
    feature = FROM_SNAPSHOT if ctx.version >= CLONE_SPEC_SINCE else SNAPSHOT
    if not offers(share_type, feature):
        raise BadRequest(
            f"Snapshot {snapshot.id} can't become a share: its type {share_type.name} "
            f"has not {feature}."
        )


def check_protocol(survey: Survey, protocol: str) -> None:
    """`BadRequest` for a share protocol that no backend serves, with those that are served."""
    served = survey.protocols
    if not served:
        raise BadRequest("No storage backend has reported yet, so no share protocol is served.")
    if protocol.upper() not in served:
        raise BadRequest(
            f"share_proto={protocol!r} is served by no backend; served: {', '.join(served)}."
        )


def _clone_network(tx: Tx, ctx: Context, wanted: NewShare, parent: Share) -> ShareNetwork | None:
    """The share network that the snapshot's share is on; no other will do."""
    asked = wanted.share_network_id
    if asked is not None:
        usable_network(tx, ctx, asked)
    if asked not in {None, parent.share_network_id, parent.effective_share_network_id}:
        raise BadRequest(
            f"share_network_id={asked!r}: a share made from a snapshot is on the share network "
            "of the snapshot's share."
        )
    return network_of(tx, parent)


def zone_of(tx: Tx, wanted: NewShare, share_type: ShareType, source: _Source | None) -> str | None:
    """The availability zone asked for, by name; None: any."""
    if wanted.availability_zone is None:
        return source.parent.instance.availability_zone if source else None
    zone = availability_zones.find(tx, wanted.availability_zone)
    if zone is None:
        raise NotFound(f"Availability zone {wanted.availability_zone} could not be found.")
    allowed = zones_asked(share_type.extra_specs)
    if allowed and zone.name not in allowed:
        raise BadRequest(
            f"availability_zone={zone.name!r}: shares of type {share_type.name} may be in "
            f"{', '.join(sorted(allowed))}."
        )
    if source and zone.name != source.parent.instance.availability_zone:
        raise BadRequest(
            f"availability_zone={zone.name!r}: the snapshot is in "
            f"{source.parent.instance.availability_zone}, and a share made from it must be too."
        )
    return zone.name


def _size(wanted: NewShare, share_type: ShareType, source: _Source | None) -> int:
    least = source.snapshot.size if source else 1
    size = wanted.size if wanted.size is not None or source is None else least
    if size is None:
        raise BadRequest("share.size is missing; it is required.")
    if size < least:
        raise BadRequest(f"size={size}: the snapshot has {least} GiB; give at least that.")
    check_size(share_type, size)
    return size


def _hosts(tx: Tx, ctx: Context, hint: str, share_ids: tuple[str, ...]) -> frozenset[str]:
    """Where the shares are that a scheduler hint names."""
    hosts = share_instances.hosts_of_shares(tx, ctx.project_id, share_ids)
    for share_id in share_ids:
        if share_id not in hosts:
            raise NotFound(f"Share {share_id} of scheduler hint {hint} could not be found.")
    return frozenset(host for host in hosts.values() if host is not None)


def _new(ctx: Context, wanted: NewShare, plan: _Plan) -> Share:
    stamp = now()
    share_id = new_id()
    return Share(
        id=share_id,
        project_id=ctx.project_id,
        user_id=ctx.user_id,
        name=wanted.name,
        description=wanted.description,
        size=plan.size,
        share_proto=wanted.share_proto.upper(),
        share_type_id=plan.share_type.id,
        share_network_id=wanted.share_network_id,
        effective_share_network_id=None,
        snapshot_id=wanted.snapshot_id,
        is_public=wanted.is_public,
        request={
            "availability_zone": plan.zone if wanted.availability_zone else None,
            "share_network_id": plan.network.id if plan.network else None,
            "same_host": list(wanted.same_host),
            "different_host": list(wanted.different_host),
            "only_host": wanted.only_host,
        },
        scheduled_at=None,
        created_at=stamp,
        updated_at=None,
        instance=_new_instance(share_id, plan, stamp),
        metadata=dict(wanted.metadata),
    )


def _new_instance(share_id: str, plan: _Plan, stamp: datetime) -> ShareInstance:
    return ShareInstance(
        id=new_id(),
        share_id=share_id,
        status=ShareStatus.CREATING_FROM_SNAPSHOT if plan.source else ShareStatus.CREATING,
        access_rules_status=AccessRulesStatus.ACTIVE,
        progress=None,
        host=None,
        pool=None,
        availability_zone=plan.zone,
        share_server_id=None,
        export_id=None,
        wanted_size=plan.size,
        revert_to=None,
        made=False,
        excluded=(),
        created_at=stamp,
        updated_at=None,
    )


def _placement_request(share: Share, plan: _Plan) -> PlacementRequest:
    return PlacementRequest(
        share_id=share.instance.id,
        project_id=share.project_id,
        size_gib=plan.size,
        protocol=share.share_proto,
        extra_specs=plan.share_type.extra_specs,
        share_network=plan.network,
        availability_zone=plan.zone,
        source_host=plan.source.parent.instance.host if plan.source else None,
        same_host=plan.hosts["same_host"],
        different_host=plan.hosts["different_host"],
        only_host=_text(share.request.get("only_host")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _placed(share: Share, place: Placement) -> Share:
    instance = replace(
        share.instance,
        host=place.host,
        pool=place.pool,
        availability_zone=place.availability_zone,
        share_server_id=place.share_server_id,
        export_id=place.export_id,
    )
    return replace(
        share,
        effective_share_network_id=place.effective_share_network_id,
        scheduled_at=share.created_at,
        instance=instance,
    )


def _tell(tx: Tx, ctx: Context, share: Share, found: NoPlace) -> None:
    messages.add(
        tx,
        project_id=share.project_id,
        request_id=ctx.request_id,
        resource=MessageResource.SHARE,
        resource_id=share.id,
        action=ActionId.ALLOCATE_HOST,
        detail=DetailId.NO_VALID_HOST,
        told=found.message,
    )
