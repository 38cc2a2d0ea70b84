"""Shares: made, changed, and taken away, until what is there is what is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from abaca.db import share_instances, share_servers, snapshot_instances
from abaca.db.database import Database, Tx
from abaca.drivers import driver as contract
from abaca.errors import AbacaError, DriverError
from abaca.manager import share_outcome as outcome
from abaca.manager import share_server
from abaca.manager.access import RulesOutcome, apply_rules, unsettled
from abaca.manager.backend import Backend
from abaca.manager.looks import look_at_share
from abaca.manager.share_outcome import Done
from abaca.manager.views import server_view, share_view
from abaca.model.access_rule import AccessRule
from abaca.model.share import Share, ShareInstance
from abaca.model.share_server import ShareServer
from abaca.model.task import Task
from abaca.states import AccessRulesStatus, ServerStatus, ShareStatus
from abaca.steps import commit
from abaca.work.lease import Lease

log = structlog.get_logger()
TAKE_BACK = commit("share.take_back")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything about one share, as it was when the work began."""

    backend: Backend
    share: Share
    server: ShareServer | None
    rules: Sequence[AccessRule]

    def view(self, size_gib: int | None = None) -> contract.Share:
        """The share as its driver sees it."""
        return share_view(self.share, self.server, size_gib=size_gib)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareHandler:
    """Handler of `abaca.model.task.TaskKind.SHARE`; the resource is a share instance."""

    db: Database
    backends: Mapping[str, Backend]
    """By ``host@backend``."""
    idle_seconds: float
    """How long a share server stays after its last share has gone."""

    def run(self, lease: Lease) -> None:
        """Make what is there what is wanted, and write down what it has become."""
        job = self._read(lease.resource_id)
        if job is None:
            return
        instance = job.share.instance
        if instance.status is ShareStatus.DELETING:
            self._remove(lease, job)
        elif instance.status is ShareStatus.ERROR_DELETING:
            return  # half of it may be gone: only a new request to delete it goes on
        elif instance.made or instance.status is not ShareStatus.ERROR:
            self._ensure(lease, job)
        else:
            outcome.forget_rules(lease, job.share, job.rules)

    def superseded(self, tx: Tx, task: Task) -> bool:
        """True if the share is to be deleted, whatever was being done to it."""
        share = share_instances.share_of(tx, task.resource_id)
        return share is None or share.instance.status is ShareStatus.DELETING

    def failed(self, lease: Lease, error: Exception) -> None:
        """Release what was made for a share that can't be made; tell its project why."""
        job = self._read(lease.resource_id)
        if job is None:
            return
        instance = job.share.instance
        if instance.status is ShareStatus.DELETING or instance.made:
            outcome.fail(lease, job.share, job.rules, error)
            return
        released = self._release(job)
        if isinstance(error, AbacaError) and error.elsewhere and released:
            outcome.move(lease, job.share, error, idle_seconds=self.idle_seconds)
        else:
            outcome.give_up(
                lease, job.share, error, released=released, idle_seconds=self.idle_seconds
            )

    def _read(self, instance_id: str) -> Job | None:
        """The job, or None if there is nothing that this manager can do."""
        # Which server it is does not change while the lease lasts.
        with self.db.glance() as tx:
            found = share_instances.with_rules(tx, instance_id)
            if found is None:
                return None
            share, rules = found
            backend = self.backends.get(share.instance.host or "")
            if backend is None:
                return None
            server_id = share.instance.share_server_id
            server = None if server_id is None else share_servers.get(tx, server_id)
            return Job(
                backend=backend,
                share=share,
                server=server,
                rules=rules,
            )

    def _remove(self, lease: Lease, job: Job) -> None:
        lease.see_through()
        if job.share.instance.export_id is not None:
            job.backend.driver.remove_share(job.view())
        outcome.forget(lease, job.share, idle_seconds=self.idle_seconds)

    def _release(self, job: Job) -> bool:
        """Take away what was made for a share that failed; False if something may be left."""
        try:
            if job.share.instance.export_id is not None:
                job.backend.driver.remove_share(job.view())
        except DriverError as error:
            if error.retriable:
                raise
            log.exception("share_not_released", share=job.share.id)
            return False
        return True

    def _ensure(self, lease: Lease, job: Job) -> None:
        share, driver = job.share, job.backend.driver
        healed = self._bring_server(lease, job)
        if share.instance.made and job.server is None and isinstance(driver, contract.Transfers):
            driver.transfer_share(job.view())
        lease.if_lost(lambda: self._take_back(job))
        locations = driver.ensure_share(job.view(), self._source(share))
        rules, refused = self._apply(job, all_anew=healed)
        status, size, failure = self._change(job)
        outcome.record(
            lease,
            share,
            Done(
                status=status,
                size_gib=size,
                exports={item.path: (item.preferred, item.is_admin_only) for item in locations},
                rules=rules,
                errors=tuple(item for item in (failure, refused) if item is not None),
            ),
        )

    def _take_back(self, job: Job) -> None:
        """Another worker went on with it: it is as that one left it, or gone from here again."""
        with self.db.write(TAKE_BACK) as tx:
            found = share_instances.share_of(tx, job.share.instance.id)
            if found is not None and not _left(job.share.instance, found.instance):
                look_at_share(tx, found.instance)
                return
        job.backend.driver.remove_share(job.view())

    def _bring_server(self, lease: Lease, job: Job) -> bool:
        """The share's server serves; True if it did not before."""
        server = job.server
        if not job.backend.mode.has_share_servers:
            return not job.backend.driver.check_server(None)
        if server is None:
            raise DriverError(f"share instance {job.share.instance.id} has no share server")
        view = server_view(server)
        if (
            server.status is ServerStatus.ACTIVE
            and job.backend.driver.check_server(view)
            and not share_server.outdated(self.db, job.backend, server)
        ):
            return False
        share_server.ensure(lease, job.backend, server)
        if server.status is ServerStatus.ACTIVE:
            share_server.look_again(lease, server)
        return True

    def _apply(self, job: Job, *, all_anew: bool) -> tuple[RulesOutcome, AbacaError | None]:
        """Apply the rules if they changed, or if what was in force may have been lost."""
        instance = job.share.instance
        quiet = instance.status is ShareStatus.AVAILABLE and job.share.size == instance.wanted_size
        syncing = instance.access_rules_status is AccessRulesStatus.SYNCING
        wanted = all_anew or quiet or syncing or unsettled(job.rules)
        if not wanted or not (instance.made or job.rules):
            return RulesOutcome(), None
        applied = apply_rules(job.backend, job.share, job.server, job.rules)
        return applied, applied.refused

    def _change(self, job: Job) -> tuple[ShareStatus, int, AbacaError | None]:
        """Resize and revert if wanted: status, size, and what went wrong for good."""
        share, driver = job.share, job.backend.driver
        size = share.size
        try:
            if share.instance.wanted_size != share.size:
                driver.resize_share(job.view(share.instance.wanted_size))
                size = share.instance.wanted_size
            if (snapshot := self._wanted_snapshot(job)) is not None:
                driver.revert_share(snapshot)
        except AbacaError as error:
            if error.retriable or not isinstance(error, DriverError):
                raise
            return outcome.failed_status(share.instance.status, error), size, error
        status = share.instance.status
        return ShareStatus.AVAILABLE if status.in_motion else status, size, None

    def _source(self, share: Share) -> contract.Snapshot | None:
        """The snapshot that the share is to be a copy of, until it has been made."""
        if share.snapshot_id is None or share.instance.made:
            return None
        with self.db.read() as tx:
            found = snapshot_instances.find(tx, share.snapshot_id)
            parent = share_instances.share_of(tx, found.share_instance_id) if found else None
            if found is None or parent is None:
                raise DriverError(
                    f"snapshot {share.snapshot_id} has gone", told="The snapshot has gone."
                )
            server_id = parent.instance.share_server_id
            server = None if server_id is None else share_servers.get(tx, server_id)
        return contract.Snapshot(id=found.id, share=share_view(parent, server))

    def _wanted_snapshot(self, job: Job) -> contract.Snapshot | None:
        """The snapshot that the share is to be reverted to."""
        instance = job.share.instance
        if instance.revert_to is None:
            return None
        with self.db.read() as tx:
            found = snapshot_instances.find(tx, instance.revert_to, instance.id)
        if found is None:
            raise DriverError(
                f"snapshot {instance.revert_to} has gone", told="The snapshot has gone."
            )
        return contract.Snapshot(id=found.id, share=job.view())


def _left(seen: ShareInstance, now: ShareInstance) -> bool:
    """True if nothing of the share is wanted any more where it was seen."""
    before, after = ((item.host, item.share_server_id, item.export_id) for item in (seen, now))
    return now.status is ShareStatus.DELETING or (not seen.made and before != after)
