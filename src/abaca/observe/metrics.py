"""What a process counts. What it could read from the database instead is in `figures`.

Labels are names of the configuration and of the code: routes, verbs, kinds, classes
of errors. Nothing that tenants name or own is a label, so there is a bounded number.
"""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
"""Of this process; the library's own default registry is not used."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more of each, which the text form has no use for

OK = "ok"
_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

requests = Counter(
    "abaca_http_requests",
    "Requests answered by the API.",
    ("route", "method", "status"),
    registry=REGISTRY,
)
request_seconds = Histogram(
    "abaca_http_request_seconds",
    "How long the API took to answer.",
    ("route", "method"),
    buckets=_QUICK,
    registry=REGISTRY,
)
task_attempts = Counter(
    "abaca_task_attempts",
    "Attempts at tasks, by how they ended.",
    ("kind", "outcome"),
    registry=REGISTRY,
)
attempt_seconds = Histogram(
    "abaca_task_attempt_seconds",
    "How long one attempt at a task took.",
    ("kind",),
    buckets=_LONG,
    registry=REGISTRY,
)
task_seconds = Histogram(
    "abaca_task_seconds",
    "From asking for a task to its end, all attempts and waiting included.",
    ("kind",),
    buckets=_LONG,
    registry=REGISTRY,
)
lease_takeovers = Counter(
    "abaca_lease_takeovers",
    "Leases on tasks that were taken from a worker which was gone, or too late.",
    ("reason",),
    registry=REGISTRY,
)
plugin_seconds = Histogram(
    "abaca_network_plugin_call_seconds",
    "Calls of network plugins.",
    ("section", "verb", "outcome"),
    buckets=_QUICK,
    registry=REGISTRY,
)
driver_seconds = Histogram(
    "abaca_driver_call_seconds",
    "Calls of drivers; what they ask of their network plugin is included.",
    ("backend", "verb", "outcome"),
    buckets=_QUICK,
    registry=REGISTRY,
)
for _reason in ("expired", "worker_gone"):
    lease_takeovers.labels(_reason)
ProcessCollector(registry=REGISTRY)


def request(route: str, method: str, status: int, seconds: float) -> None:
    """A request was answered."""
    requests.labels(route, method, status).inc()
    request_seconds.labels(route, method).observe(seconds)


def attempt(kind: str, outcome: str, seconds: float) -> None:
    """An attempt at a task ended so."""
    task_attempts.labels(kind, outcome).inc()
    attempt_seconds.labels(kind).observe(seconds)


def since(started: float) -> float:
    """Seconds since that reading of the monotonic clock."""
    return time.monotonic() - started
