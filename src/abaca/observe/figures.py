"""What is read from the database when somebody looks: every process of a deployment says the same.

`prometheus_client` asks a collector at each scrape; without scrapes it costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from abaca import __version__
from abaca.db import figures, services
from abaca.db.database import Database
from abaca.db.figures import Figures
from abaca.db.tables import now
from abaca.errors import AbacaError
from abaca.model.pool import Pool, Service
from abaca.model.task import TaskKind
from abaca.observe.bounded import Bounded
from abaca.observe.metrics import REGISTRY
from abaca.states import ServerStatus, ShareStatus, SnapshotStatus

TASK_STATES = ("waiting", "running", "retrying", "later")


class Everything(Collector):
    """What this process counted, and what the database says."""

    def __init__(self, db: Database) -> None:
        self._figures = FiguresCollector(db)

    def collect(self) -> Iterable[Metric]:
        """Both."""
        yield from REGISTRY.collect()
        yield from self._figures.collect()


class FiguresCollector(Collector):
    """Gauges of the database; ``abaca_database_up`` 0 and nothing else if it does not answer."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._read = Bounded(self._figures)

    def collect(self) -> Iterable[Metric]:
        """Read, and say."""
        yield _one("abaca_info", "The version of this process.", {"version": __version__}, 1)
        try:
            found = self._read()
        except (AbacaError, TimeoutError):
            yield _one("abaca_database_up", "1 if the database answers.", {}, 0)
            return
        yield _one("abaca_database_up", "1 if the database answers.", {}, 1)
        yield from _states(found)
        yield from _work(found)
        yield from _audits(found)
        yield from _services(found.services)
        yield from _storage(found.pools)
        yield from _networks(found)

    def _figures(self) -> Figures:
        with self._db.read() as tx:
            return figures.read(tx)


def _states(found: Figures) -> Iterator[Metric]:
    for what, statuses, counts in (
        ("shares", ShareStatus, found.shares),
        ("share_servers", ServerStatus, found.servers),
        ("snapshots", SnapshotStatus, found.snapshots),
    ):
        zero = dict.fromkeys(map(str, statuses), 0)
        text = f"How many {what.replace('_', ' ')} there are, by status."
        yield _gauge(f"abaca_{what}", text, ("status",), _keyed({**zero, **counts}))


def _work(found: Figures) -> Iterator[Metric]:
    zero = {(str(kind), state): 0 for kind in TaskKind for state in TASK_STATES}
    yield _gauge(
        "abaca_tasks",
        "Tasks that are not done, by kind and state.",
        ("kind", "state"),
        {**zero, **found.tasks}.items(),
    )
    waits: dict[str, float] = {str(kind): 0 for kind in TaskKind}
    yield _gauge(
        "abaca_task_oldest_waiting_seconds",
        "For how long the first task that is due has waited for a worker.",
        ("kind",),
        _keyed({**waits, **found.oldest_waiting}),
    )
    text = "Leases that ran out and were not taken over yet."
    yield _one("abaca_leases_expired", text, {}, found.leases_expired)


def _audits(found: Figures) -> Iterator[Metric]:
    yield _gauge(
        "abaca_audit_findings",
        "Where ledger and world differ, confirmed and not repaired.",
        ("backend", "kind", "direction"),
        (((item.host, item.kind, str(item.direction)), item.number) for item in found.findings),
    )


def _services(found: Iterable[Service]) -> Iterator[Metric]:
    known = [item for item in found if item.binary == services.SHARE_MANAGER]
    yield _gauge(
        "abaca_backend_up",
        "1 if a manager of the backend was seen of late.",
        ("backend",),
        {(item.host,): services.is_up(item) for item in known}.items(),
    )
    yield _gauge(
        "abaca_backend_enabled",
        "0 if an administrator disabled the backend's service.",
        ("backend",),
        {(item.host,): not item.disabled for item in known}.items(),
    )
    stamp = now()
    yield _gauge(
        "abaca_backend_seen_seconds",
        "For how long the backend's managers have not been seen.",
        ("backend",),
        {(item.host,): (stamp - item.seen_at).total_seconds() for item in known}.items(),
    )
    parts = {(item.host, "driver"): item.driver_error is None for item in known}
    parts |= {(item.host, "network"): item.network_error is None for item in known}
    text = "1 if the backend's driver and network plugin answered when last asked."
    yield _gauge("abaca_backend_part_ok", text, ("backend", "part"), parts.items())


def _storage(found: Iterable[Pool]) -> Iterator[Metric]:
    sizes = {}
    for item in found:
        sizes[item.host, item.name, "total"] = item.total_gib
        sizes[item.host, item.name, "free"] = item.free_gib
    text = "GiB of the storage pools; what was promised counts as taken."
    yield _gauge("abaca_pool_gib", text, ("backend", "pool", "what"), sizes.items())


def _networks(found: Figures) -> Iterator[Metric]:
    yield _gauge(
        "abaca_network_interfaces",
        "Interfaces of share servers, by network section.",
        ("section",),
        _keyed(found.interfaces),
    )
    text = "Addresses of the ledger's pools, by network section and state."
    yield _gauge("abaca_network_addresses", text, ("section", "state"), found.addresses.items())


def _keyed(values: Mapping[str, float]) -> Iterator[tuple[tuple[str, ...], float]]:
    return (((name,), value) for name, value in values.items())


def _gauge(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(values):
        family.add_metric(key, float(value))
    return family


def _one(name: str, text: str, labels: Mapping[str, str], value: float) -> Metric:
    return _gauge(name, text, tuple(labels), [(tuple(labels.values()), value)])
