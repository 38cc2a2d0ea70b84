"""`abaca task`: work that was accepted and is not finished."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from abaca.cli.options import Files, config_files, output_format
from abaca.cli.output import show

if TYPE_CHECKING:
    from abaca.config import Config
    from abaca.model.task import Task

COLUMNS = ("kind", "resource_id", "state", "step", "since", "attempts", "last_error")


@click.group()
def task() -> None:
    """Work that was accepted and is not finished."""


@task.command("list")
@config_files
@output_format
def show_tasks(files: Files, output: str) -> None:
    """List what is going on: which step, since when, how often tried, and the last error."""
    from abaca.work import queue  # noqa: PLC0415 - `abaca --help` must be quick

    config = files.load()
    with files.database() as database, database.read() as tx:
        tasks = queue.every(tx)
    show([_row(item, _hint(item, config)) for item in tasks], COLUMNS, output)


def _hint(task: Task, config: Config) -> str | None:
    """What an administrator should know of a task that nobody will take."""
    backends = {item.host for item in config.backends}
    hosts = {name.partition("@")[0] for name in backends}
    host, _, backend = (task.queue or "").partition("@")
    # Other hosts, and an API without backends, don't know what is configured there.
    if task.running_lane is not None or task.queue in backends or host not in hosts:
        return None
    return f"[{backend}] is not among the enabled backends of {host}: nobody works on this"


def _row(task: Task, hint: str | None) -> dict[str, object]:
    running = task.running_lane is not None
    return {
        "kind": str(task.kind),
        "resource_id": task.resource_id,
        "backend": task.queue,
        "state": "running" if running else "waiting",
        "step": task.step,
        "since": _time(task.step_since or task.started_at if running else task.created_at),
        "attempts": task.attempts,
        "last_error": "; ".join(filter(None, (hint, task.last_error))) or None,
        "project_id": task.project_id,
        "worker": task.worker if running else None,
    }


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="seconds")
