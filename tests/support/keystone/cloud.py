"""Abaca behind a real Keystone: projects, users, a catalog, and a service that asks it."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from keystoneauth1.session import Session

from support.command import BIN
from support.configuration import SINGLE, Options, configuration
from support.fault_proxy import FaultProxy, fault_proxy
from support.keystone.server import ADMIN_PASSWORD, REGION, KeystoneServer, login
from support.serving import serving

PASSWORD = "correct horse"
SECONDS = 120
PEOPLE = {
    "alice": ("red", "member"),
    "rita": ("red", "reader"),
    "bob": ("blue", "member"),
    "abaca": ("services", "service"),
    "nova": ("services", "service"),
    "neutron": ("services", "service"),
    "operator": ("services", "admin"),
}
"""User: project and role."""
TYPES = ("sharev2", "shared-file-system", "share")


def credentials(
    url: str, user: str = "operator", project: str = "services", **more: object
) -> dict[str, object]:
    """Options by which a section logs in to Keystone, and more of them."""
    mine = {"auth_url": url, "username": user, "password": PASSWORD, "project_name": project}
    return {**mine, **more}


def authtoken(url: str, user: str = "abaca", project: str = "services") -> dict[str, object]:
    """Section ``keystone_authtoken`` of a service that is this user."""
    return {
        **credentials(url, user, project),
        "auth_type": "password",
        "www_authenticate_uri": url,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A Keystone with people in it, and an Abaca that they find in its catalog."""

    keystone: KeystoneServer
    proxy: FaultProxy
    """Between Abaca and Keystone."""
    url: str
    projects: Mapping[str, str]
    """ID by name."""

    def session(self, user: str) -> Session:
        """Logged in as one of the people, or as the administrator."""
        project, password = PEOPLE.get(user, ("admin", ""))[0], PASSWORD
        if user == "admin":
            password = ADMIN_PASSWORD
        return Session(auth=login(self.keystone.url, user, password, project))

    def application_credential(self, user: str) -> tuple[dict[str, object], str]:
        """A new one: what a network section says of it, and where Keystone has it."""
        session = self.session(user)
        base = f"{self.keystone.url}/users/{session.get_user_id()}/application_credentials"
        body = {"application_credential": {"name": uuid.uuid4().hex}}
        made = session.post(base, json=body).json()["application_credential"]
        options: dict[str, object] = {
            "auth_type": "v3applicationcredential",
            "application_credential_id": made["id"],
            "application_credential_secret": made["secret"],
        }
        return options, f"{base}/{made['id']}"

    def revoke(self, token: str) -> None:
        """The token is good for nothing any more."""
        self.keystone.admin.delete("/auth/tokens", headers={"X-Subject-Token": token})

    def expire(self, session: Any) -> str:
        """Wait until a brief token has expired, which its session, with a slow clock, trusts.

        The token. Without that a session asks for another half a minute before.
        """
        token = str(session.get_token())
        session.auth.auth_ref._data["token"]["expires_at"] = "2999-01-01T00:00:00.000000Z"
        end = time.monotonic() + 120
        while self.status(token) != HTTPStatus.UNAUTHORIZED:
            assert time.monotonic() < end, "the token does not expire"
            time.sleep(0.3)
        assert session.get_token() == token
        return token

    def status(self, token: str | None, path: str = "/v2/shares", **headers: str) -> int:
        """How Abaca answers a request with that token."""
        return self.answer(token, path, **headers)[0]

    def answer(
        self, token: str | None, path: str = "/v2/shares", **headers: str
    ) -> tuple[int, Mapping[str, str], Any]:
        """Status, headers and body of the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {**named, "X-Auth-Token": token} if token is not None else named
        request = urllib.request.Request(f"{self.url}{path}", headers=sent)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as found:  # noqa: S310
                return found.status, found.headers, json.load(found)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, json.load(error)

    def openstack(self, user: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run `openstack ...` as a person does."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return subprocess.run(
            [str(BIN / "openstack"), *argv],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={
                **clean,
                "OS_AUTH_URL": self.keystone.url,
                "OS_USERNAME": user,
                "OS_PASSWORD": ADMIN_PASSWORD if user == "admin" else PASSWORD,
                "OS_PROJECT_NAME": PEOPLE.get(user, ("admin", ""))[0],
                "OS_USER_DOMAIN_NAME": "Default",
                "OS_PROJECT_DOMAIN_NAME": "Default",
                "OS_REGION_NAME": REGION,
            },
        )


def people(keystone: KeystoneServer) -> dict[str, str]:
    """Projects, users and roles; the projects' IDs."""
    names = dict.fromkeys(project for project, _ in PEOPLE.values())
    projects = {name: keystone.make("projects", name=name, domain_id="default") for name in names}
    for name, (project, role) in PEOPLE.items():
        user = keystone.make("users", name=name, password=PASSWORD, domain_id="default")
        keystone.grant(user, projects[project], role)
    return projects


@contextmanager
def cloud_of(
    keystone: KeystoneServer, folder: Path, stored: Mapping[str, Options]
) -> Iterator[Cloud]:
    """`abaca serve` with Keystone's tokens, listed in the catalog; ended after the tests."""
    projects = people(keystone)
    with fault_proxy(keystone.url) as proxy:
        # Services ask at the internal endpoint, which for them is the proxy.
        keystone.serve("identity", "keystone", public=keystone.url, internal=proxy.url)
        file = configuration(
            folder,
            {"site": SINGLE},
            DEFAULT={"auth_strategy": "keystone", "report_seconds": 1},
            keystone_authtoken={**authtoken(proxy.url), "service_token_roles_required": True},
            **stored,
        )
        with serving(file, folder / "abaca.log") as (url, _):
            for kind in TYPES:
                keystone.serve(kind, f"abaca-{kind}", public=f"{url}/v2")
            yield Cloud(keystone=keystone, proxy=proxy, url=url, projects=projects)
