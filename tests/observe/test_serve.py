"""A real `abaca serve`: what monitoring and the log say about what clients did."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from abaca.testing.ports import free_port
from support.configuration import FLAT, NET, SINGLE, Options, configuration
from support.databases import Databases
from support.serving import serving

DOCUMENT = Path(__file__).parents[2] / "docs" / "observe.md"
GLOBAL_ID = f"req-{uuid.uuid4()}"
DEFAULT: Options = {
    "auth_strategy": "none",
    "none_project_id": "red",
    "none_role": "admin",
    "log_format": "json",
    "report_seconds": 1,
}
BACKENDS: dict[str, Options] = {
    "flat": FLAT,
    "sick": {**SINGLE, "fake_fail": "pools:BackendUnavailable:100000"},
}


@dataclass(frozen=True)
class Service:
    """A service that is running."""

    url: str
    monitoring: str
    log: Path

    def get(self, url: str, **headers: str) -> tuple[int, str]:
        """Status and text."""
        status, text, _ = self.ask("GET", url, None, **headers)
        return status, text

    def ask(self, method: str, url: str, body: Any, **headers: str) -> tuple[int, str, Any]:
        """Status, text and headers."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(  # noqa: S310 - on loopback
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-OpenStack-Manila-API-Version": "2.65", **sent},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - same
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), error.headers

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample, by name and labels."""
        status, text = self.get(f"{self.monitoring}/metrics")
        assert status == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def lines(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def value(samples: dict[Any, float], metric: str, **labels: str) -> float:
    """One sample's value; it must be there."""
    return samples[metric, frozenset(labels.items())]


def until(condition: Any) -> Any:
    """What it returns, once that is true."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Service]:
    """One service for all, with a backend that works and one whose driver does not answer."""
    folder = tmp_path_factory.mktemp("serve")
    port = free_port()
    default = {**DEFAULT, "metrics_listen": f"127.0.0.1:{port}"}
    eleven = {**NET, "allowed_ip_ranges": "10.10.0.10-10.10.0.20"}
    with databases.stored() as stored:
        file = configuration(folder, BACKENDS, DEFAULT=default, net=eleven, **stored)
        with serving(file, folder / "log") as (url, _):
            yield Service(url, f"http://127.0.0.1:{port}", folder / "log")


@pytest.fixture(scope="module")
def request_id(service: Service) -> str:
    """A share was made and is available; the ID of the request for it."""
    specs = {"driver_handles_share_servers": "True"}
    kind = {"name": "flat", "extra_specs": specs}
    status, text, _ = service.ask("POST", f"{service.url}/v2/types", {"share_type": kind})
    assert status in {200, 202}, text
    status, text, _ = service.ask(
        "POST", f"{service.url}/v2/share-networks", {"share_network": {"name": "n"}}
    )
    network = json.loads(text)["share_network"]["id"]
    body = {
        "share_proto": "NFS",
        "size": 1,
        "share_type": "flat",
        "share_network_id": network,
    }
    status, text, headers = service.ask(
        "POST",
        f"{service.url}/v2/shares",
        {"share": body},
        X_OpenStack_Request_ID=GLOBAL_ID,
    )
    assert status == 200, text
    share = json.loads(text)["share"]["id"]

    def available() -> bool:
        _, answer = service.get(f"{service.url}/v2/shares/{share}")
        return bool(json.loads(answer)["share"]["status"] == "available")

    until(available)
    found: str = headers["X-OpenStack-Request-ID"]
    assert found != GLOBAL_ID
    return found


def test_a_request_is_followed_to_the_driver(service: Service, request_id: str):
    """API, task, plugin and driver lines have the ID of the request, and its caller's ID."""
    wanted = {"request", "task_attempt_ended", "plugin_call", "driver_call"}

    def all_there() -> list[dict[str, Any]]:
        mine = [line for line in service.lines() if line.get("request_id") == request_id]
        return mine if {line["event"] for line in mine} >= wanted else []

    mine = until(all_there)
    assert {line["global_request_id"] for line in mine} == {GLOBAL_ID}
    calls = {(line["event"], line.get("verb")) for line in mine}
    assert {
        ("plugin_call", "allocate"),
        ("driver_call", "ensure_server"),
        ("driver_call", "ensure_share"),
    } <= calls
    (api,) = [line for line in mine if line["event"] == "request"]
    assert (api["method"], api["path"], api["status"]) == ("POST", "/v2/shares", 200)


def test_requests_do_not_share_an_id(service: Service, request_id: str):
    """The next request of the same client, without an ID of its own, has another and no global."""
    _, _, headers = service.ask("GET", f"{service.url}/v2/shares", None)
    other = headers["X-OpenStack-Request-ID"]
    assert other != request_id
    line = until(lambda: [x for x in service.lines() if x.get("request_id") == other])[0]
    assert "global_request_id" not in line


def test_what_was_done_is_counted(service: Service, request_id: str):
    """Requests by route template, the task, the calls, and what there is now."""
    del request_id
    found = service.samples()
    assert (
        value(found, "abaca_http_requests_total", route="/v2/shares", method="POST", status="200")
        == 1
    )
    assert value(found, "abaca_task_attempts_total", kind="share", outcome="done") == 1
    assert value(found, "abaca_task_seconds_count", kind="share") == 1
    call = {"backend": "flat", "verb": "ensure_share", "outcome": "ok"}
    assert value(found, "abaca_driver_call_seconds_count", **call) == 1
    call = {"section": "net", "verb": "allocate", "outcome": "ok"}
    assert value(found, "abaca_network_plugin_call_seconds_count", **call) == 1
    assert value(found, "abaca_shares", status="available") == 1
    assert value(found, "abaca_shares", status="error") == 0
    assert value(found, "abaca_share_servers", status="active") == 1
    assert value(found, "abaca_tasks", kind="share", state="running") == 0
    assert value(found, "abaca_network_interfaces", section="net") == 1
    addresses = {
        state: value(found, "abaca_network_addresses", section="net", state=state)
        for state in ("used", "free", "reserved")
    }
    assert addresses == {"used": 1, "free": 10, "reserved": 0}
    assert value(found, "abaca_lease_takeovers_total", reason="expired") == 0
    assert value(found, "abaca_database_up") == 1
    assert value(found, "process_start_time_seconds") > 0


def test_a_driver_that_fails_is_counted_by_its_error(service: Service):
    """The class of the error is the outcome."""
    call = {"backend": "sick", "verb": "pools", "outcome": "BackendUnavailable"}
    assert value(service.samples(), "abaca_driver_call_seconds_count", **call) > 0


def test_labels_are_bounded(service: Service, request_id: str):
    """Whatever clients make up is one label; no ID of a share or project is any."""
    _, shares = service.get(f"{service.url}/v2/shares")
    ids = [item["id"] for item in json.loads(shares)["shares"]]
    before = len(service.samples())
    for _ in range(3):
        service.get(f"{service.url}/v2/{uuid.uuid4()}/{uuid.uuid4()}")
        service.get(f"{service.url}/{uuid.uuid4()}")
        service.ask("BREW", f"{service.url}/v2/shares", None)
    after = service.samples()
    labels = {text for _, pairs in after for pair in pairs for text in pair}
    assert not labels & {"red", "BREW", request_id, *ids}
    assert any(("route", "other") in pairs for _, pairs in after)
    # One counter and one histogram per method at most, however many were asked for.
    assert len(after) - before < 80


def test_every_metric_is_documented(service: Service):
    """What the page has is in docs/observe.md, and what is there is on the page."""
    _, text = service.get(f"{service.monitoring}/metrics")
    shown = {item.name for item in text_string_to_metric_families(text)}
    named = re.findall(r"\babaca_[a-z_]+[a-z]", DOCUMENT.read_text())
    documented = {re.sub("_(total|count)$", "", name) for name in named}
    assert documented == {name for name in shown if name.startswith("abaca_")}


def test_administrators_see_all_at_both_ports(service: Service):
    """With a token the API's port has the same metrics and the same health."""
    status, text = service.get(f"{service.url}/metrics", X_Auth_Token="any")
    assert status == 200
    assert "abaca_http_requests_total" in text
    status, text = service.get(f"{service.url}/healthcheck", X_Auth_Token="any")
    assert json.loads(text)["status"] == "degraded"


@pytest.mark.parametrize("header", [{}, {"Host": "localhost"}, {"X_Forwarded_For": "127.0.0.1"}])
def test_nobody_is_believed_to_be_local(service: Service, header: dict[str, str]):
    """Behind a proxy on this host everybody is: without a token no metrics, of health one word."""
    assert service.get(f"{service.url}/metrics", **header)[0] == 404
    assert service.get(f"{service.url}/healthcheck", **header) == (200, "OK")


def test_health_names_what_is_ill(service: Service):
    """Degraded: one backend's driver does not answer; with ``strict`` that is a 503."""

    def told() -> Any:
        status, text = service.get(f"{service.monitoring}/healthcheck")
        assert status == 200
        return json.loads(text)

    health = told()
    assert health["database"]["error"] is None
    assert {item["backend"].partition("@")[2] for item in health["backends"]} == {"flat", "sick"}
    assert health["status"] == "degraded"
    sick = next(item for item in health["backends"] if not item["ok"])
    assert "injected" in sick["driver"]
    assert service.get(f"{service.monitoring}/healthcheck?strict")[0] == 503
    assert service.get(f"{service.url}/healthcheck?strict") == (503, "UNAVAILABLE")
