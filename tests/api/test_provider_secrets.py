"""What is the provider's own is in no user message and in no explanation for a tenant.

Each way to be refused that has to do with it is tried, and all that tenants can read
of it is searched as text.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from sqlalchemy import update

from abaca import errors
from abaca.db.tables import pools
from abaca.errors import AbacaError, RequestError, WorkInterrupted
from abaca.manager.failure import told_of
from api.setups import shares as rows

SPECS = {
    "share_backend_name": "vault-7",
    "thin": "<is> True",
    "capabilities:disk": "nvme-gold",
}
"""Extra specs that tenants do not see, by which no backend fits."""
SECRET = ("vault-7", "thin", "<is>", "nvme", "disk", "node1", "node9", "#main")
TENANTS = ("alice", "rita")


@pytest.fixture
def names(client: Any) -> dict[str, str]:
    """Two backends, and type ``silver`` on one of them."""
    return rows.backend(client.db) | rows.flat(client.db)


def asked_too(client: Any, type_id: str, key: str) -> None:
    """The type asks that besides."""
    answer = client.call(
        "admin",
        "POST",
        f"/v2/types/{type_id}/extra_specs",
        version="2.24",
        body={"extra_specs": {key: SPECS[key]}},
    )
    assert answer.status_code == 200


def explained(client: Any, who: str) -> dict[str, Any]:
    """What comes of a share of type ``gold``."""
    body = {"explain": {"share_type": "gold", "size": 1}}
    answer = client.call(who, "POST", "/v2/share-networks/explain", body=body)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json["explanation"]
    return found


def secrets_in(*texts: str) -> list[str]:
    """Those of the provider's words that are there."""
    return [word for word in SECRET if any(word in text for text in texts)]


@pytest.mark.parametrize("key", SPECS)
def test_an_extra_spec_that_tenants_do_not_see(
    client: Any, names: dict[str, str], key: str
) -> None:
    """Neither the explanation nor the share's message tells it; administrators are told."""
    asked_too(client, names["gold"], key)
    for who in TENANTS:
        found = explained(client, who)
        reasons = {item["reason"] for item in found["backends"]}
        assert "has not a capability that the share type asks" in reasons
        assert secrets_in(json.dumps(found)) == []
    (reason,) = {
        item["reason"]
        for item in explained(client, "admin")["backends"]
        if item["backend"] == "one"
    }
    assert reason.endswith(f"{key.removeprefix('capabilities:')} = {SPECS[key]}")

    body = {"share": {"share_proto": "NFS", "size": 1, "share_type": "gold"}}
    made = client.call("alice", "POST", "/v2/shares", version="2.65", body=body)
    assert made.json["share"]["status"] == "error"
    messages = client.call("rita", "GET", "/v2/messages", version="2.37")
    (message,) = messages.json["messages"]
    assert "1 has not a capability that the share type asks" in message["user_message"]
    assert secrets_in(messages.text, made.text) == []


@pytest.mark.usefixtures("names")
def test_a_host_that_an_administrator_named(client: Any) -> None:
    """``only_host`` is for administrators: others of their project read no host's name."""
    hints = {"only_host": "node9@one#main"}
    share = {"share_proto": "NFS", "size": 1, "share_type": "gold", "scheduler_hints": hints}
    made = client.call("admin", "POST", "/v2/shares", version="2.67", body={"share": share})
    assert made.json["share"]["status"] == "error"
    messages = client.call("admin", "GET", "/v2/messages", version="2.37")
    assert "not what only_host names" in messages.json["messages"][0]["user_message"]
    assert secrets_in(messages.text) == []


def test_how_many_backends_differ_is_not_told(client: Any, names: dict[str, str]) -> None:
    """Backends that lack different things of what is hidden are counted together."""
    asked_too(client, names["gold"], "thin")
    asked_too(client, names["gold"], "capabilities:disk")
    more = rows.CAPABILITIES | {"disk": SPECS["capabilities:disk"]}
    with client.db.write() as tx:
        tx.execute(update(pools).values(driver_mode="single_svm"))
        tx.execute(update(pools).where(pools.c.host == "node1@one").values(capabilities=more))
    message = explained(client, "alice")["message"]
    assert message == "2 backends: 2 have not a capability that the share type asks."


def failures() -> list[type[AbacaError]]:
    """Every error that work can end with."""
    return [
        cls
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, AbacaError) and not issubclass(cls, RequestError | WorkInterrupted)
    ]


@pytest.mark.parametrize("cls", failures(), ids=lambda cls: cls.__name__)
def test_what_an_error_says_is_for_administrators(cls: type[AbacaError]) -> None:
    """Hosts, networks and segments are in its message, and in nothing that a tenant is told."""
    text = "[flat7] vlan:physnet1:4711 on node1@vault-7"
    values: dict[type[AbacaError], tuple[Any, ...]] = {
        errors.ConfigError: ([text],),
        errors.CommandFailed: ((text,), 1, text),
    }
    error = cls(*values.get(cls, (text,)))
    assert "4711" in str(error)
    told = told_of(error)
    assert told
    assert not any(word in told for word in ("4711", "vlan", "physnet1", "flat7", "vault-7"))
