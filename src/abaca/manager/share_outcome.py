"""What became of a share, written down: each of these is the last transaction of its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from abaca.db import share_instances, share_networks, snapshot_instances
from abaca.db.database import Tx
from abaca.errors import AbacaError, ShrinkRefused, Superseded
from abaca.manager.access import LEAVING, SETTLED, RulesOutcome
from abaca.manager.failure import failure_of, tell, tell_again
from abaca.manager.placement import place_again
from abaca.manager.share_server import leave
from abaca.model.access_rule import AccessRule
from abaca.model.message import ActionId, DetailId
from abaca.model.share import Share, ShareInstance
from abaca.model.task import TaskKind
from abaca.scheduler.request import NoPlace
from abaca.states import AccessRulesStatus, AccessState, ShareStatus, SnapshotStatus
from abaca.steps import step
from abaca.work.lease import Lease
from abaca.work.queue import enqueue

_FAILED = {
    ShareStatus.EXTENDING: ShareStatus.EXTENDING_ERROR,
    ShareStatus.SHRINKING: ShareStatus.SHRINKING_ERROR,
    ShareStatus.REVERTING: ShareStatus.REVERTING_ERROR,
    ShareStatus.DELETING: ShareStatus.ERROR_DELETING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a share is after the work."""

    status: ShareStatus
    size_gib: int
    exports: Mapping[str, tuple[bool, bool]]
    rules: RulesOutcome = field(default_factory=RulesOutcome)
    errors: tuple[AbacaError, ...] = ()
    """What could not be done of what was wanted; the project is told."""


def failed_status(status: ShareStatus, error: Exception) -> ShareStatus:
    """The status of a share that was made, after such a failure."""
    if isinstance(error, ShrinkRefused):
        return ShareStatus.SHRINKING_POSSIBLE_DATA_LOSS
    return _FAILED.get(status, status)


@step("share.create.commit")
def record(lease: Lease, share: Share, done: Done) -> None:
    """The share is made and exported, with these rules, status and size."""
    instance = share.instance
    with lease.conclude() as tx:
        share_instances.settle_rules(tx, done.rules.states, done.rules.denied)
        facts: dict[str, object] = {"made": True, "progress": "100%"}
        wanted: dict[str, object] = {"status": str(done.status), "revert_to": None}
        if done.errors:
            wanted["wanted_size"] = done.size_gib
        if not share_instances.change(tx, instance, facts | wanted, rules=True):
            share_instances.settle(tx, instance.id, facts, rules=True)
        share_instances.export(tx, instance.id, done.exports, first=not instance.made)
        if done.size_gib != share.size:
            share_instances.resized(tx, share.id, done.size_gib)
        _reverted(tx, instance)
        for error in done.errors:
            tell(tx, share, lease.task.request_id, failure_of(instance.status, error))


@step("share.delete.commit")
def forget(lease: Lease, share: Share, *, idle_seconds: float) -> None:
    """Nothing of the share is left: delete its rows; its server may go if it was the last."""
    with lease.conclude() as tx:
        share_instances.remove(tx, share.instance)
        _leave_server(tx, share, idle_seconds)
        if share.share_network_id is not None:
            share_networks.finish_removal(tx, share.share_network_id)


def forget_rules(lease: Lease, share: Share, rules: Sequence[AccessRule]) -> None:
    """A share that does not exist has no rules to apply: those taken away are gone."""
    denied = [item.id for item in rules if item.state in LEAVING]
    with lease.conclude() as tx:
        share_instances.settle_rules(tx, _unapplied(rules), denied)
        share_instances.settle(tx, share.instance.id, {}, rules=True)


@step("failure.share")
def fail(lease: Lease, share: Share, rules: Sequence[AccessRule], error: Exception) -> None:
    """Work on a share that exists failed for good: it keeps its data, and says so."""
    instance = share.instance
    with lease.conclude() as tx:
        status = failed_status(instance.status, error)
        values = {"status": str(status), "wanted_size": share.size, "revert_to": None}
        share_instances.change(tx, instance, values)
        if instance.status is not ShareStatus.DELETING:
            share_instances.settle_rules(tx, _unapplied(rules), ())
            share_instances.settle(tx, instance.id, {}, rules=True)
        _reverted(tx, instance)
        failure = failure_of(instance.status, error)
        if instance.status is ShareStatus.AVAILABLE and _unapplied(rules):
            failure = replace(failure, action=ActionId.UPDATE_ACCESS_RULES)
        # Nobody asked for what brings a share back: it is tried every few seconds.
        asked = instance.status.in_motion or _unapplied(rules)
        (tell if asked else tell_again)(tx, share, lease.task.request_id, failure)


@step("failure.share.give_up")
def give_up(
    lease: Lease, share: Share, error: Exception, *, released: bool, idle_seconds: float
) -> None:
    """The share can't be made: in error, off its server, with a message.

    What could not be released is still known by the instance, and deleted with it.
    """
    with lease.conclude() as tx:
        failure = failure_of(share.instance.status, error)
        _give_up(tx, share, released=released, idle_seconds=idle_seconds)
        tell(tx, share, lease.task.request_id, failure)


@step("failure.share.move")
def move(lease: Lease, share: Share, error: AbacaError, *, idle_seconds: float) -> None:
    """Its backend can't take it after all: give it to another one, or give up."""
    instance = share.instance
    excluded = tuple(dict.fromkeys([*instance.excluded, instance.host or ""]))
    with lease.conclude() as tx:
        placed = place_again(tx, share, excluded)
        if isinstance(placed, NoPlace):
            failure = failure_of(instance.status, error)
            told = f"{failure.told} No other storage backend can take the share: {placed.message}"
            _give_up(tx, share, released=True, idle_seconds=idle_seconds)
            failure = replace(failure, action=ActionId.ALLOCATE_HOST, told=told)
            if failure.detail is DetailId.UNKNOWN_ERROR:
                failure = replace(failure, detail=DetailId.NO_VALID_HOST)
            tell(tx, share, lease.task.request_id, failure)
            return
        moved = share_instances.change(
            tx,
            instance,
            {
                "host": placed.host,
                "pool": placed.pool,
                "availability_zone": placed.availability_zone,
                "share_server_id": placed.share_server_id,
                "export_id": placed.export_id,
                "excluded": list(excluded),
            },
        )
        if not moved:
            raise Superseded(f"share instance {instance.id}")
        share_instances.replaced(tx, share.id, placed.effective_share_network_id)
        _leave_server(tx, share, idle_seconds)
        enqueue(
            tx,
            TaskKind.SHARE,
            instance.id,
            queue=placed.host,
            lane=placed.lane,
            project_id=share.project_id,
            request_id=lease.task.request_id,
            global_request_id=lease.task.global_request_id,
        )


def _give_up(tx: Tx, share: Share, *, released: bool, idle_seconds: float) -> None:
    values: dict[str, object] = {"status": str(ShareStatus.ERROR), "progress": None}
    if released:
        values |= {"share_server_id": None, "export_id": None}
    if not share_instances.change(tx, share.instance, values):
        raise Superseded(f"share instance {share.instance.id}")
    rules = share_instances.rules(tx, share.id)
    share_instances.settle_rules(tx, _unapplied(rules), ())
    status = AccessRulesStatus.ERROR if rules else AccessRulesStatus.ACTIVE
    share_instances.settle(tx, share.instance.id, {"access_rules_status": str(status)})
    if released:
        _leave_server(tx, share, idle_seconds)


def _leave_server(tx: Tx, share: Share, idle_seconds: float) -> None:
    instance: ShareInstance = share.instance
    if instance.share_server_id is not None and instance.host is not None:
        leave(tx, instance.share_server_id, instance.host, share.project_id, delay=idle_seconds)


def _reverted(tx: Tx, instance: ShareInstance) -> None:
    """The snapshot that the share was reverted to can be used again."""
    if instance.revert_to is None:
        return
    snapshot = snapshot_instances.find(tx, instance.revert_to, instance.id)
    if snapshot is not None:
        snapshot_instances.move(
            tx, snapshot.id, SnapshotStatus.RESTORING, SnapshotStatus.AVAILABLE, "100%"
        )


def _unapplied(rules: Sequence[AccessRule]) -> dict[str, AccessState]:
    """Rules that were waiting to be applied, in error."""
    waiting = [item for item in rules if item.state not in SETTLED | LEAVING]
    return dict.fromkeys((item.id for item in waiting), AccessState.ERROR)
