"""`abaca serve`: from its start to the first share, its memory at rest, what it imports.

Beside it the bare framework: the same interpreter, Falcon and cheroot, answering ready bytes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

from benchmarks import bare
from benchmarks.client import Connection
from benchmarks.provisioning import until_available
from benchmarks.results import Run
from benchmarks.service import (
    SINGLE,
    Deployment,
    cpu_seconds,
    databases,
    deploy,
    memory_mb,
    running,
)

REST_SECONDS = 2.0
MEMORY_MB, FIRST_SHARE_SECONDS = 120, 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start; seconds and MB."""

    listening: float
    first_share: float
    cpu: float
    """Until it listened."""
    rss: float
    pss: float


def run(run: Run) -> None:
    """Several starts on one database, with each way to say who asks."""
    times = run.of(7, 1)
    floor, floor_memory = _bare(run, times)
    for auth in ("none", "builtin"):
        folder = run.folder / auth
        with databases(folder, "sqlite") as url:
            deployment = deploy(folder, url, auth=auth)
            starts = [_start(deployment, auth, run) for _ in range(times)]
        run.add(
            f"start until it listens, auth_strategy = {auth}",
            median(item.listening for item in starts) * 1000,
            "ms",
            baseline=floor,
            against="bare framework",
            cpu_ms=median(item.cpu for item in starts) * 1000,
        )
        if auth == "none":
            run.add(
                "start to the first share",
                median(item.first_share for item in starts) * 1000,
                "ms",
                baseline=floor,
                against="bare framework",
                target=f"at most {FIRST_SHARE_SECONDS * 1000:.0f}",
            )
        run.add(
            f"memory at rest, auth_strategy = {auth}",
            median(item.rss for item in starts),
            "MB",
            baseline=floor_memory,
            against="bare framework",
            target=f"at most {MEMORY_MB}",
            pss=median(item.pss for item in starts),
        )


def _bare(run: Run, times: int) -> tuple[float, float]:
    """Milliseconds until it listens, and its memory."""
    taken, memory = [], 0.0
    answer = bare.Answer(body=b"{}")
    for number in range(times):
        begun = time.perf_counter()
        with bare.serving(run.folder / f"bare{number}", answer) as (_, process):
            taken.append(time.perf_counter() - begun)
            memory = memory_mb(process)["rss"]
    return median(taken) * 1000, memory


def _start(deployment: Deployment, auth: str, run: Run) -> Start:
    begun = time.perf_counter()
    with running(deployment) as service:
        cpu = cpu_seconds(service.process)
        if auth == "none":
            with Connection(service.port) as connection:
                until_available(connection, deployment, SINGLE)
        first = time.perf_counter() - begun
        time.sleep(REST_SECONDS if not run.short else 0.1)
        memory = memory_mb(service.process)
        return Start(
            listening=service.seconds,
            first_share=first,
            cpu=cpu,
            rss=memory["rss"],
            pss=memory["pss"],
        )
