"""From POST to available with the fake driver, as a client sees it, on each database.

The limit is what the database alone takes for the same statements (`benchmarks.roundtrips`).
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field

from benchmarks import roundtrips
from benchmarks.client import Connection, request
from benchmarks.results import Run
from benchmarks.service import (
    FLAT,
    SINGLE,
    SQLITE,
    Deployment,
    Running,
    apart,
    cpu_seconds,
    databases,
    deploy,
    running,
)
from benchmarks.timing import percentile

AT_ONCE = 64
POLL_SECONDS = 0.001
WATCH_SECONDS = 0.05
"""Between two lists for all callers: at 0.01 they took an eighth of the service's time."""
PATIENCE_SECONDS = 60
KIND = {SINGLE: "single_svm", FLAT: "flat, one share server"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """An Abaca on one kind of database, and what its database alone would take."""

    run: Run
    kind: str
    deployment: Deployment
    limit: float
    """Milliseconds for one share."""
    statements: int
    transactions: int

    def sequential(self, backend: str, service: Running) -> None:
        """One share after the other."""
        taken = []
        with Connection(service.port) as connection:
            for number in range(self.run.of(100, 3) + 3):
                seconds = until_available(connection, self.deployment, backend)
                if number >= 3:  # noqa: PLR2004 - warm by then, and the share server is there
                    taken.append(seconds)
        self.run.add(
            f"{self.kind}: POST to available, {KIND[backend]}",
            percentile(taken, 50),
            "ms",
            baseline=self.limit,
            against="its database round trips",
            target="p50 < 30" if self.kind != "mariadb" else "",
            p99=percentile(taken, 99),
        )

    def at_once(self, backend: str, service: Running, *, also: str = "") -> None:
        """Many callers."""
        processes = (service.process, *service.beside)
        crowd = Crowd(service.port, request("POST", "/v2/shares", self.deployment.body(backend)))
        rounds = self.run.of(5, 1)
        before = cpu_seconds(*processes)
        seconds = crowd.run(rounds)
        cpu = cpu_seconds(*processes) - before
        self.run.add(
            f"{self.kind}: {AT_ONCE} at once, {KIND[backend]}{also}",
            AT_ONCE * rounds / seconds,
            "shares/s",
            baseline=1000 / self.limit,
            against="its round trips, one after the other",
            target="200" if backend == SINGLE else "",
            p50=percentile(crowd.taken, 50),
            p99=percentile(crowd.taken, 99),
            cpu_ms=1000 * cpu / (AT_ONCE * rounds),
        )


def run(run: Run) -> None:
    """Each database; a backend whose shares are made at once, and one share server's shares."""
    for kind in run.databases:
        run.say(f"  {kind}: making the database")
        with databases(run.folder / kind, kind) as url:
            scene = _scene(run, kind, deploy(run.folder / kind, url))
            with running(scene.deployment) as service:
                for backend in (SINGLE, FLAT):
                    scene.sequential(backend, service)
                for backend in (SINGLE, FLAT):
                    scene.at_once(backend, service)
            if kind != SQLITE:
                with apart(scene.deployment) as service:
                    with Connection(service.port) as connection:
                        until_available(connection, scene.deployment, SINGLE)
                    scene.at_once(SINGLE, service, also=", API and managers apart")
            run.add(
                f"{kind}: transactions for one share, {KIND[SINGLE]}",
                scene.transactions,
                "",
                statements=scene.statements,
            )


def _scene(run: Run, kind: str, deployment: Deployment) -> Scene:
    transactions, fresh = roundtrips.record(deployment, SINGLE)
    db = deployment.database()
    try:
        taken = roundtrips.replayed(db, transactions, fresh, run.of(50, 3))
    finally:
        db.close()
    return Scene(
        run=run,
        kind=kind,
        deployment=deployment,
        limit=percentile(taken, 50),
        statements=sum(len(item.statements) for item in transactions),
        transactions=len(transactions),
    )


def until_available(connection: Connection, deployment: Deployment, backend: str) -> float:
    """Seconds from POST until a GET says that the share is available."""
    wire = request("POST", "/v2/shares", deployment.body(backend))
    begun = time.perf_counter()
    share = json.loads(connection.send(wire))["share"]["id"]
    look = request("GET", f"/v2/shares/{share}")
    while True:
        body = connection.send(look)
        seconds = time.perf_counter() - begun
        if b'"status":"available"' in body:
            return seconds
        if b'"status":"error"' in body or seconds > PATIENCE_SECONDS:
            raise RuntimeError(body.decode())
        time.sleep(POLL_SECONDS)


@dataclass(slots=True)
class Crowd:
    """Callers that each ask for a share as soon as their last one is available."""

    port: int
    wire: bytes
    taken: list[float] = field(default_factory=list)
    done: dict[str, threading.Event] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, rounds: int) -> float:
        """All callers, so many rounds; how long it took."""
        watcher = threading.Thread(target=self._watch)
        callers = [threading.Thread(target=self._call, args=(rounds,)) for _ in range(AT_ONCE)]
        begun = time.perf_counter()
        for thread in (watcher, *callers):
            thread.start()
        for thread in callers:
            thread.join()
        seconds = time.perf_counter() - begun
        self.over.set()
        watcher.join()
        if self.failures:
            raise RuntimeError("a request failed") from self.failures[0]
        return seconds

    def _call(self, rounds: int) -> None:
        try:
            with Connection(self.port) as connection:
                for _ in range(rounds):
                    begun = time.perf_counter()
                    share = json.loads(connection.send(self.wire))["share"]["id"]
                    done = threading.Event()
                    self.done[share] = done
                    assert done.wait(PATIENCE_SECONDS), f"share {share} is not available"
                    self.taken.append(time.perf_counter() - begun)
        except BaseException as failure:  # noqa: BLE001 - told by `run`
            self.failures.append(failure)

    def _watch(self) -> None:
        """One list for all callers: polls by each would be most of the load."""
        try:
            with Connection(self.port) as connection:
                look = request("GET", "/v2/shares?status=creating&limit=1000")
                while not self.over.wait(WATCH_SECONDS):
                    waiting = list(self.done)
                    making = {item["id"] for item in json.loads(connection.send(look))["shares"]}
                    for share in waiting:
                        if share not in making:
                            self.done.pop(share).set()
        except BaseException as failure:  # noqa: BLE001 - same
            self.failures.append(failure)
