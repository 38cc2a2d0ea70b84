"""Tokens of a real Keystone: which ones Abaca believes, and for how long."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from support.fault_proxy import FAULTS
from support.keystone.cloud import PASSWORD, Cloud
from support.keystone.server import ADMIN_PASSWORD, running


def newcomer(cloud: Cloud, name: str, role: str = "member") -> str:
    """A user of a test's own in project red; the ID."""
    made: str = cloud.keystone.make("users", name=name, password=PASSWORD, domain_id="default")
    cloud.keystone.grant(made, cloud.projects["red"], role)
    return made


def refused_soon(cloud: Cloud, token: str) -> None:
    """The token is refused before long."""
    end = time.monotonic() + 120
    while (status := cloud.status(token)) != 401:
        assert status == 200
        assert time.monotonic() < end, "the token is still believed"
        time.sleep(0.5)


def test_a_token_of_a_project(cloud: Cloud) -> None:
    """It is believed, with the roles that it has."""
    token = cloud.keystone.token("alice", PASSWORD, "red")
    assert cloud.status(token) == 200
    assert cloud.status(token, "/v2/os-services") == 403
    admin = cloud.keystone.token("admin", ADMIN_PASSWORD, "admin")
    assert cloud.status(admin, "/v2/os-services") == 200


def test_no_token_and_wrong_ones(cloud: Cloud) -> None:
    """401, and where tokens come from."""
    for token in (None, "", "made-up", "gAAAAABm" + "x" * 180):
        status, headers, body = cloud.answer(token)
        assert status == 401
        assert headers["WWW-Authenticate"] == f'Keystone uri="{cloud.proxy.url}"'
        assert body["unauthorized"]["code"] == 401


def test_tokens_of_no_project(cloud: Cloud) -> None:
    """Unscoped, of a domain or of the system: each is refused, and told what to ask for."""
    keystone = cloud.keystone
    for scope in ({}, {"domain_id": "default"}, {"system_scope": "all"}):
        if scope:
            admin = keystone.id_of("users", "admin")
            role = keystone.id_of("roles", "admin")
            keystone.admin.put(f"/domains/default/users/{admin}/roles/{role}")
        user, password = ("admin", ADMIN_PASSWORD) if scope else ("alice", PASSWORD)
        token = keystone.token(user, password, None, **scope)
        status, _, body = cloud.answer(token)
        assert status == 401
        assert "project" in body["unauthorized"]["message"]


def test_a_client_can_not_say_who_it_is(cloud: Cloud) -> None:
    """Headers that Keystone's middleware sets count for nothing when a client sends them."""
    claims = {"X_Identity_Status": "Confirmed", "X_Roles": "admin", "X_Project_Id": "ops"}
    assert cloud.status(None, "/v2/os-services", **claims) == 401
    token = cloud.keystone.token("alice", PASSWORD, "red")
    assert cloud.status(token, "/v2/os-services", **claims) == 403


def test_an_expired_token(cloud: Cloud) -> None:
    """It is believed until it expires, and not after."""
    for seconds in (5, 20, 60):
        with running(cloud.keystone.folder, seconds=seconds) as root:
            brief = replace(cloud.keystone, root=root)
            token = brief.token("alice", PASSWORD, "red")
            believed = cloud.status(token) == 200
        if believed:  # else, on a busy host, it had expired before it was used
            break
    assert believed
    refused_soon(cloud, token)


def test_a_revoked_token(cloud: Cloud) -> None:
    """Revoked before or after it was used, it is refused."""
    unused = cloud.keystone.token("alice", PASSWORD, "red")
    used = cloud.keystone.token("alice", PASSWORD, "red")
    assert cloud.status(used) == 200
    for token in (unused, used):
        cloud.keystone.admin.delete("/auth/tokens", headers={"X-Subject-Token": token})
        refused_soon(cloud, token)
    assert cloud.status(cloud.keystone.token("alice", PASSWORD, "red")) == 200


def test_a_disabled_user(cloud: Cloud) -> None:
    """Tokens end with their user."""
    user = newcomer(cloud, "carol")
    token = cloud.keystone.token("carol", PASSWORD, "red")
    assert cloud.status(token) == 200
    cloud.keystone.admin.patch(f"/users/{user}", json={"user": {"enabled": False}})
    refused_soon(cloud, token)


def test_a_role_that_is_taken_away(cloud: Cloud) -> None:
    """Tokens end with the last role in their project."""
    user = newcomer(cloud, "dave")
    token = cloud.keystone.token("dave", PASSWORD, "red")
    assert cloud.status(token) == 200
    cloud.keystone.ungrant(user, cloud.projects["red"], "member")
    refused_soon(cloud, token)


def test_an_application_credential(cloud: Cloud) -> None:
    """Its token is as good as its user's, with the roles that it was given."""
    session = cloud.session("alice")
    user = session.get_user_id()
    made = session.post(
        f"{cloud.keystone.url}/users/{user}/application_credentials",
        json={"application_credential": {"name": "ci", "roles": [{"name": "reader"}]}},
    ).json()["application_credential"]
    credential = {"id": made["id"], "secret": made["secret"]}
    body = {
        "auth": {
            "identity": {
                "methods": ["application_credential"],
                "application_credential": credential,
            }
        }
    }
    token = session.post(
        f"{cloud.keystone.url}/auth/tokens", json=body, authenticated=False
    ).headers["X-Subject-Token"]
    assert cloud.status(token) == 200
    made = session.post(
        f"{cloud.url}/v2/share-networks",
        json={"share_network": {}},
        headers={"X-Auth-Token": token},
        authenticated=False,
        raise_exc=False,
    )
    assert made.status_code == 403


@pytest.mark.parametrize("fault", ["down", "500", "503", "garbage"])
def test_keystone_fails(cloud: Cloud, fault: str) -> None:
    """A token that can't be checked now is neither believed nor refused; later it is believed."""
    token = cloud.keystone.token("alice", PASSWORD, "red")
    with cloud.proxy.failing(FAULTS[fault]):
        assert cloud.status(token) == 503
    assert cloud.status(token) == 200
