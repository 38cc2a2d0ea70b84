"""Real clients against a live server in builtin mode: they log in, discover, and drive the API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cheroot import wsgi

from abaca.api.app import make_app
from abaca.api.auth.builtin import Builtin
from abaca.api.policy import Policy
from abaca.api.routes import RULES
from abaca.api.settings import ApiSettings
from abaca.db import availability_zones
from abaca.db.database import Database
from abaca.identity.accounts import Accounts
from abaca.identity.login import Login
from abaca.identity.passwords import Failures, Hasher
from abaca.identity.tokens import Tokens
from support.openstack_client import OpenStackClient

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Live:
    """A listening API; ``auth_url`` is all that a client is told."""

    url: str
    client: OpenStackClient

    def environment(self, user: str, project: str) -> dict[str, str]:
        """What `openstack` reads."""
        return {
            "OS_AUTH_URL": f"{self.url}/identity",
            "OS_USERNAME": user,
            "OS_PASSWORD": PASSWORD,
            "OS_PROJECT_NAME": project,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_IDENTITY_API_VERSION": "3",
        }

    def openstack(self, user: str, project: str, *argv: str) -> Any:
        """The answer of `openstack ... -f json`, or its error text if it fails."""
        done = self.client.run(argv, self.environment(user, project))
        if done.code:
            return done.err or "failed"
        return json.loads(done.out) if done.out.strip() else None


@pytest.fixture
def live(db: Database, tmp_path: Path, openstack_client: OpenStackClient) -> Iterator[Live]:
    """An API on a free port of loopback, with an administrator, and alice of red."""
    hasher, settings = Hasher(cheap=True), ApiSettings(default_share_type="gold")
    accounts = Accounts(db, hasher)
    accounts.bootstrap(PASSWORD)
    accounts.create_project("red")
    accounts.create_user("alice", PASSWORD)
    accounts.grant("alice", "red", "member")
    with db.write() as tx:
        availability_zones.ensure(tx, "north")
    login = Login(db, hasher, Failures(), Tokens(tmp_path / "token-keys", seconds=600))
    app = make_app(db, settings, Builtin(login, settings, db), Policy(RULES))
    server = wsgi.Server(("127.0.0.1", 0), app, numthreads=4)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield Live(f"http://127.0.0.1:{server.bind_addr[1]}", openstack_client)
    server.stop()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.slow
def test_openstack_share_type(live: Live) -> None:
    """python-manilaclient's commands make, show, change, open and delete share types."""

    def admin(*argv: str) -> Any:
        return live.openstack("admin", "admin", "share", "type", *argv)

    made = admin(
        "create", "gold", "true", "--description", "d", "--public", "false",
        "--extra-specs", "driver_mode=flat_multi_svm", "-f", "json",
    )  # fmt: skip
    assert made["name"] == "gold", made
    assert made["required_extra_specs"] == {"driver_handles_share_servers": "True"}
    listed = admin("list", "--all", "-f", "json")
    assert [item["Name"] for item in listed] == ["gold"]
    assert live.openstack("alice", "red", "share", "type", "list", "-f", "json") == []
    red = live.openstack("admin", "admin", "project", "show", "red", "-f", "json")["id"]
    assert admin("access", "create", "gold", red) is None
    assert len(admin("access", "list", "gold", "-f", "json")) == 1
    seen = live.openstack("alice", "red", "share", "type", "list", "-f", "json")
    assert [item["Name"] for item in seen] == ["gold"]
    assert admin("access", "delete", "gold", red) is None
    assert admin("set", "gold", "--name", "silver", "--extra-specs", "vendor=acme") is None
    shown = admin("show", "silver", "-f", "json")
    assert "vendor" in str(shown["optional_extra_specs"])
    assert admin("unset", "silver", "vendor") is None
    refused = admin("create", "bad", "false", "--extra-specs", "driver_mode=flat_multi_svm")
    assert "contradicts" in refused
    assert admin("delete", "silver") is None
    assert admin("list", "--all", "-f", "json") == []


@pytest.mark.slow
def test_openstack_identity(live: Live) -> None:
    """The identity commands that people reach for work, and tenants see their own only."""

    def admin(*argv: str) -> Any:
        return live.openstack("admin", "admin", *argv, "-f", "json")

    assert {item["Name"] for item in admin("project", "list")} == {"admin", "red"}
    assert {item["Name"] for item in admin("user", "list")} == {"admin", "alice"}
    assert admin("project", "show", "red")["name"] == "red"
    assert {item["Type"] for item in admin("catalog", "list")} >= {"sharev2", "identity"}
    issued = live.openstack("alice", "red", "token", "issue", "-f", "json")
    assert len(issued["id"]) > 50
    assert live.openstack("alice", "red", "token", "revoke", issued["id"]) is None
    made = live.openstack("alice", "red", "application", "credential", "create", "ci", "-f", "json")
    assert made["Secret"]
    zones = live.openstack("alice", "red", "share", "availability", "zone", "list", "-f", "json")
    assert [zone["Name"] for zone in zones] == ["north"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the SDK deprecates parts of itself
@pytest.mark.parametrize("path", ["/identity", "/identity/v3", "/identity/"])
def test_openstacksdk(live: Live, path: str) -> None:
    """The SDK finds the service from each form of auth_url, at 2.0 and at its own versions."""
    import openstack  # noqa: PLC0415 - a second to import

    connection = openstack.connect(
        auth_url=f"{live.url}{path}",
        username="alice",
        password=PASSWORD,
        project_name="red",
        user_domain_id="default",
        project_domain_id="default",
        load_yaml_config=False,
        load_envvars=False,
    )
    try:
        zones = list(connection.shared_file_system.availability_zones())
        assert [zone.name for zone in zones] == ["north"]
        endpoint = connection.shared_file_system.get_endpoint_data()
        assert str(endpoint.max_microversion) == "(2, 78)"
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_manilaclient_with_an_application_credential(live: Live) -> None:
    """python-manilaclient logs in with an application credential, as Go clients in clusters do."""
    from keystoneauth1 import session  # noqa: PLC0415 - a second to import
    from keystoneauth1.identity import v3  # noqa: PLC0415
    from manilaclient import client  # noqa: PLC0415

    made = live.openstack("alice", "red", "application", "credential", "create", "ci", "-f", "json")
    auth = v3.ApplicationCredential(
        auth_url=f"{live.url}/identity",
        application_credential_id=made["ID"],
        application_credential_secret=made["Secret"],
    )
    manila = client.Client("2.65", session=session.Session(auth=auth))
    assert manila.share_types.list() == []
    assert [zone.name for zone in manila.availability_zones.list()] == ["north"]
