"""`abaca task list` tells what nobody will do."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from abaca.cli.main import main
from abaca.config import load
from abaca.db.database import Database
from abaca.model.task import Task, TaskKind
from abaca.service.state import open_database
from abaca.work import queue
from support.configuration import SINGLE, Options, configuration

WORKER = "node1/17"


def test_a_task_of_a_backend_that_is_gone_has_a_hint(
    tmp_path: Path, stored: Mapping[str, Options]
) -> None:
    """In the last column, and only there: other hosts know themselves what they have."""
    file = configuration(tmp_path, {"one": SINGLE}, **stored)
    database = open_database(load((file,), ()).service)
    queues = ("node1@one", "node1@gone", "node2@gone", None)
    try:
        with database.write() as tx:
            for name in queues:
                queue.enqueue(
                    tx,
                    TaskKind.SHARE,
                    str(uuid.uuid4()),
                    queue=name,
                    lane=str(uuid.uuid4()),
                    project_id=None,
                    request_id=None,
                )
    finally:
        database.close()
    argv = ["task", "list", "--config-file", str(file)]
    shown = CliRunner().invoke(main, [*argv, "--format", "json"])
    told = {row["backend"]: row["last_error"] for row in json.loads(shown.stdout)}
    hint = "[gone] is not among the enabled backends of node1: nobody works on this"
    assert told == {"node1@one": None, "node1@gone": hint, "node2@gone": None, None: None}
    (line,) = [line for line in CliRunner().invoke(main, argv).stdout.splitlines() if hint in line]
    assert line.rstrip().endswith(hint)


def test_work_that_goes_on(tmp_path: Path, stored: Mapping[str, Options]) -> None:
    """The step and since when it is at it, who does it; and why it failed the time before."""
    file = configuration(tmp_path, {"one": SINGLE}, **stored)
    database = open_database(load((file,), ()).service)
    instance, since = str(uuid.uuid4()), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    try:
        with database.write() as tx:
            queue.enqueue(
                tx,
                TaskKind.SHARE,
                instance,
                queue="node1@one",
                lane=instance,
                project_id="red",
                request_id=None,
            )
        first = claimed(database)
        with database.write() as tx:
            queue.retry_later(tx, first, "the storage did not answer", delay=0)
        (waiting,) = listed(file)
        second = claimed(database)
        (begun,) = listed(file)
        with database.write() as tx:
            queue.record_step(tx, second, "share.create", since)
    finally:
        database.close()
    (running,) = listed(file)
    assert (waiting["state"], waiting["step"], waiting["worker"]) == ("waiting", None, None)
    assert (begun["state"], begun["step"]) == ("running", None)
    assert second.started_at is not None
    assert begun["since"] == second.started_at.isoformat(timespec="seconds")
    assert (running["state"], running["worker"]) == ("running", WORKER)
    assert (running["step"], running["since"]) == ("share.create", "2026-01-02T03:04:05+00:00")
    for row in (waiting, begun, running):
        assert (row["attempts"], row["last_error"]) == (1, "the storage did not answer")
    done = CliRunner().invoke(main, ["task", "list", "--config-file", str(file)])
    (line,) = [line for line in done.stdout.splitlines() if instance in line]
    assert [cell for cell in re.split(r"\s{2,}", line.strip()) if cell] == [
        *("share", instance, "running", "share.create", "2026-01-02T03:04:05+00:00", "1"),
        "the storage did not answer",
    ]


def listed(file: Path) -> list[dict[str, Any]]:
    """What `abaca task list` says."""
    done = CliRunner().invoke(
        main, ["task", "list", "--format", "json", "--config-file", str(file)]
    )
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def claimed(database: Database) -> Task:
    """The one task, taken by a worker."""
    with database.write() as tx:
        (task,) = queue.every(tx)
        (taken,) = queue.claim(tx, [task.id], worker=WORKER, lease_seconds=600)
    return taken


def test_the_deadline_of_tasks_is_configured(tmp_path: Path) -> None:
    """``task_deadline_seconds``, half an hour unless it is set."""
    file = configuration(tmp_path, {"one": SINGLE})
    assert load((file,), ()).work.task_deadline_seconds == 1800
    file.write_text(file.read_text().replace("[one]", "task_deadline_seconds = 90\n[one]"))
    assert load((file,), ()).work.task_deadline_seconds == 90
