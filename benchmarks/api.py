"""Requests: one share, lists and create, with ever more shares, beside the bare framework.

`abaca api` and the bare framework are processes of their own, asked by the same client over
connections that are kept, in turn. Everybody is the configured caller (``auth_strategy = none``);
what a token costs is a row of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abaca.identity.accounts import Accounts
from abaca.identity.passwords import Hasher
from benchmarks import bare, seed
from benchmarks.client import Connection, in_turn, one_after_the_other, per_second, request
from benchmarks.results import Run
from benchmarks.service import SINGLE, Deployment, cpu_seconds, databases, deploy, running
from benchmarks.timing import percentile

PAGE, LONG_PAGE = 100, 1000
DETAIL = "/v2/shares/detail"
LIST = f"list of {PAGE} in detail"
FLAT = ("show", LIST)
"""What must not grow with the number of shares."""
LIMITED = 10_000_000
PASSWORD = "of-a-throw-away-user"  # noqa: S105 - gone in a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One kind of request."""

    wires: Sequence[bytes]
    times: int
    target: str = ""


def run(run: Run) -> None:
    """Each number of shares, on SQLite."""
    found: dict[int, Mapping[str, float]] = {}
    for count in run.shares:
        run.say(f"  making {count:,} shares")
        found[count] = _with(run, count)
    fewest = min(found)
    for count in sorted(found)[1:]:
        for name in FLAT:
            run.add(
                f"{name}: with {count:,} shares beside {fewest:,}",
                found[count][name],
                "ms",
                baseline=found[fewest][name],
                against=f"{fewest:,} shares",
                target="0.8 to 1.2",
            )


def _with(run: Run, count: int) -> dict[str, float]:
    """The medians of each kind of request with so many shares, in ms."""
    folder = run.folder / str(count)
    with databases(folder, "sqlite") as url:
        deployment = deploy(folder, url)
        db = deployment.database()
        try:
            ids = seed.fill(db, deployment.types[SINGLE], count, run.say)
        finally:
            db.close()
        asks = _asks(run, deployment, ids)
        found = _measure(run, deployment, count, asks)
        _create_with_quota(run, deployment, count)
    if count == min(run.shares):
        _with_token(run)
    return found


def _asks(run: Run, deployment: Deployment, ids: Sequence[str]) -> dict[str, Ask]:
    spread = ids[:: max(1, len(ids) // 100)]
    asks = {
        "show": Ask(
            wires=[request("GET", f"/v2/shares/{item}") for item in spread],
            times=run.of(600, 20),
            target="flat",
        ),
        LIST: Ask(
            wires=[request("GET", f"{DETAIL}?limit={PAGE}")],
            times=run.of(600, 4),
            target="at most 3; flat",
        ),
    }
    if len(ids) >= 2 * LONG_PAGE:
        middle = ids[len(ids) // 2]
        for size, times in ((PAGE, run.of(60, 4)), (LONG_PAGE, run.of(15, 2))):
            asks[f"page of {size} from the middle"] = Ask(
                wires=[request("GET", f"{DETAIL}?limit={size}&marker={middle}")],
                times=times,
                target="flat",
            )
    wanted = deployment.body(SINGLE)
    asks["create"] = Ask(wires=[request("POST", "/v2/shares", wanted)], times=run.of(200, 5))
    return asks


def _measure(
    run: Run, deployment: Deployment, count: int, asks: Mapping[str, Ask]
) -> dict[str, float]:
    medians = {}
    deployment.report()
    with running(deployment, "api") as service:
        for number, (name, ask) in enumerate(asks.items()):
            with Connection(service.port) as connection:
                headers, body = connection.exchange(ask.wires[0])
            answer = bare.Answer(body=body, headers=headers)
            with bare.serving(deployment.file.parent / f"bare-{number}", answer) as (port, _):
                ready = [request("GET", bare.PATH)]
                taken, limit = in_turn(((service.port, ask.wires), (port, ready)), ask.times)
                limit_rate = per_second(port, ready, ask.times)
            before = cpu_seconds(service.process)
            rate = per_second(service.port, ask.wires, ask.times)
            cpu = (cpu_seconds(service.process) - before) / ask.times
            medians[name] = percentile(taken, 50)
            run.add(
                f"{name}, {count:,} shares",
                medians[name],
                "ms",
                baseline=percentile(limit, 50),
                against="bare framework",
                target=ask.target,
                p99=percentile(taken, 99),
                fastest=min(taken) * 1000,
                bare_fastest=min(limit) * 1000,
                per_second=rate,
                bare_per_second=limit_rate,
                cpu_ms=cpu * 1000,
                kilobytes=len(body) / 1000,
            )
    return medians


def _create_with_quota(run: Run, deployment: Deployment, count: int) -> None:
    """With limits in force what the project has is counted, row by row."""
    text = deployment.file.read_text().replace("shares = -1", f"shares = {LIMITED}")
    deployment.file.write_text(text.replace("gigabytes = -1", f"gigabytes = {LIMITED}", 1))
    wires = [request("POST", "/v2/shares", deployment.body(SINGLE))]
    deployment.report()
    with running(deployment, "api") as service:
        taken = one_after_the_other(service.port, wires, run.of(50, 3))
    run.add(
        f"create with a quota in force, {count:,} shares",
        percentile(taken, 50),
        "ms",
        baseline=_value(run, f"create, {count:,} shares"),
        against="without a quota",
        p99=percentile(taken, 99),
    )


def _value(run: Run, what: str) -> float:
    return next(row.value for row in run.rows if row.what == what)


def _with_token(run: Run) -> None:
    """What a token of the builtin identity costs."""
    folder = run.folder / "token"
    with databases(folder, "sqlite") as url:
        deployment = deploy(folder, url, auth="builtin")
        db = deployment.database()
        try:
            Accounts(db, Hasher()).bootstrap(PASSWORD)
            ids = seed.fill(db, deployment.types[SINGLE], 1, run.say)
        finally:
            db.close()
        with running(deployment, "api") as service:
            with Connection(service.port) as connection:
                token = _token(connection)
            wire = request("GET", f"/v2/shares/{ids[0]}", headers={"X-Auth-Token": token})
            taken = one_after_the_other(service.port, [wire], run.of(600, 20))
    run.add(
        "show with a builtin token",
        percentile(taken, 50),
        "ms",
        baseline=_value(run, f"show, {min(run.shares):,} shares"),
        against="no authentication",
        p99=percentile(taken, 99),
    )


def _token(connection: Connection) -> str:
    who = {"name": "admin", "domain": {"id": "default"}}
    identity = {"methods": ["password"], "password": {"user": {**who, "password": PASSWORD}}}
    body = {"auth": {"identity": identity, "scope": {"project": who}}}
    wire = request("POST", "/identity/v3/auth/tokens", body)
    return connection.exchange(wire)[0]["x-subject-token"]
