"""`abaca task list` tells what nobody will do."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from click.testing import CliRunner

from abaca.cli.main import main
from abaca.config import load
from abaca.model.task import TaskKind
from abaca.service.state import open_database
from abaca.work import queue

CONFIG = """
[DEFAULT]
host = node1
state_path = {folder}/state
enabled_share_backends = one
[one]
share_driver = fake
driver_mode = single_svm
"""


def test_a_task_of_a_backend_that_is_gone_has_a_hint(tmp_path: Path) -> None:
    """In the last column, and only there: other hosts know themselves what they have."""
    file = tmp_path / "abaca.conf"
    file.write_text(CONFIG.format(folder=tmp_path))
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


def test_the_deadline_of_tasks_is_configured(tmp_path: Path) -> None:
    """``task_deadline_seconds``, half an hour unless it is set."""
    file = tmp_path / "abaca.conf"
    file.write_text(CONFIG.format(folder=tmp_path))
    assert load((file,), ()).work.task_deadline_seconds == 1800
    file.write_text(file.read_text().replace("[one]", "task_deadline_seconds = 90\n[one]"))
    assert load((file,), ()).work.task_deadline_seconds == 90
