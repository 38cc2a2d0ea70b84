"""Snapshots: taken and removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from abaca.db import messages, share_instances, share_servers, snapshot_instances
from abaca.db.database import Database, Tx
from abaca.drivers import driver as contract
from abaca.errors import DriverError
from abaca.manager.backend import Backend
from abaca.manager.failure import told_of
from abaca.manager.views import share_view
from abaca.model.message import ActionId, DetailId, MessageResource
from abaca.model.snapshot import Snapshot
from abaca.model.task import Task
from abaca.states import SnapshotStatus
from abaca.steps import step
from abaca.work.lease import Lease

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One snapshot, as it was when the work began."""

    backend: Backend
    snapshot: Snapshot
    view: contract.Snapshot | None
    """None if its share was never made: then there is nothing of the snapshot either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotHandler:
    """Handler of `abaca.model.task.TaskKind.SNAPSHOT`; the resource is a snapshot instance."""

    db: Database
    backends: Mapping[str, Backend]
    """By ``host@backend``."""

    def run(self, lease: Lease) -> None:
        """Take it if it is to be there, remove it if it is to go."""
        job = self._read(lease.resource_id)
        if job is None:
            return
        status = job.snapshot.instance.status
        if status is SnapshotStatus.DELETING:
            lease.see_through()
            if job.view is not None:
                job.backend.driver.remove_snapshot(job.view)
            forget(lease, job.snapshot)
        elif status is SnapshotStatus.CREATING:
            if (view := job.view) is None:
                raise DriverError("its share does not exist", told="The share does not exist.")
            lease.if_lost(lambda: self._take_back(job, view))
            job.backend.driver.ensure_snapshot(view)
            record(lease, job.snapshot, SnapshotStatus.AVAILABLE)

    def _take_back(self, job: Job, view: contract.Snapshot) -> None:
        """Another worker has removed it: it is gone, though it was taken again."""
        with self.db.read() as tx:
            found = snapshot_instances.snapshot_of(tx, job.snapshot.instance.id)
        if found is None or found.instance.status is SnapshotStatus.DELETING:
            job.backend.driver.remove_snapshot(view)

    def superseded(self, tx: Tx, task: Task) -> bool:
        """True if it is to be deleted, whatever was being done to it."""
        snapshot = snapshot_instances.snapshot_of(tx, task.resource_id)
        return snapshot is None or snapshot.instance.status is SnapshotStatus.DELETING

    def failed(self, lease: Lease, error: Exception) -> None:
        """Release what was made of it; tell its project why."""
        job = self._read(lease.resource_id)
        if job is None:
            return
        status = job.snapshot.instance.status
        if status is SnapshotStatus.CREATING and job.view is not None:
            try:
                job.backend.driver.remove_snapshot(job.view)
            except DriverError as second:
                if second.retriable:
                    raise
                log.exception("snapshot_not_released", snapshot=job.snapshot.id)
        fail(lease, job.snapshot, error)

    def _read(self, instance_id: str) -> Job | None:
        with self.db.read() as tx:
            snapshot = snapshot_instances.snapshot_of(tx, instance_id)
            if snapshot is None:
                return None
            share = share_instances.share_of(tx, snapshot.instance.share_instance_id)
            backend = self.backends.get(share.instance.host or "") if share else None
            if share is None or backend is None:
                return None
            server_id = share.instance.share_server_id
            server = None if server_id is None else share_servers.get(tx, server_id)
        view = None
        if share.instance.export_id is not None:
            view = contract.Snapshot(id=snapshot.instance.id, share=share_view(share, server))
        return Job(backend=backend, snapshot=snapshot, view=view)


@step("snapshot.create.commit")
def record(lease: Lease, snapshot: Snapshot, status: SnapshotStatus) -> None:
    """It has been taken."""
    with lease.conclude() as tx:
        seen = snapshot.instance
        snapshot_instances.move(tx, seen.id, seen.status, status, "100%")


@step("snapshot.delete.commit")
def forget(lease: Lease, snapshot: Snapshot) -> None:
    """Nothing of it is left: delete its rows."""
    with lease.conclude() as tx:
        snapshot_instances.remove(tx, snapshot.instance)


@step("failure.snapshot")
def fail(lease: Lease, snapshot: Snapshot, error: Exception) -> None:
    """It can't be taken, or can't be removed: in error, with a message."""
    seen = snapshot.instance
    deleting = seen.status is SnapshotStatus.DELETING
    status = SnapshotStatus.ERROR_DELETING if deleting else SnapshotStatus.ERROR
    with lease.conclude() as tx:
        if not snapshot_instances.move(tx, seen.id, seen.status, status, None):
            return
        messages.add(
            tx,
            project_id=snapshot.project_id,
            request_id=lease.task.request_id,
            resource=MessageResource.SHARE_SNAPSHOT,
            resource_id=snapshot.id,
            action=ActionId.DELETE if deleting else ActionId.CREATE,
            detail=DetailId.UNKNOWN_ERROR,
            told=told_of(error),
        )
