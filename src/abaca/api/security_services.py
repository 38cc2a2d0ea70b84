"""Security services: LDAP, Kerberos and Active Directory domains of a project's.

A password is shown to members of its own project only, and never logged.
"""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, one_of, text
from abaca.api.fields import Field, View
from abaca.api.lists import listed_project
from abaca.api.microversion import V
from abaca.api.paging import page
from abaca.api.policy import MEMBER, READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.db import security_services as db
from abaca.db.security_services import FILTERS, SecurityQuery
from abaca.errors import BadRequest
from abaca.model.page import Slice
from abaca.model.security_service import SecurityService, SecurityServiceType
from abaca.share import security_services as use_case

OU_SINCE = V(2, 44)
SITE_SINCE = V(2, 76)
PASSWORD = "security_service:see_password"  # noqa: S105 - the name of a rule
_STATUSES = ("new", "active")

VIEW: View[SecurityService] = View(
    "security_service",
    "security_services",
    (
        Field("id", lambda s: s.id, in_summary=True),
        Field("name", lambda s: s.name, in_summary=True),
        Field("type", lambda s: str(s.type), in_summary=True),
        Field("status", lambda s: _STATUSES[s.in_use], in_summary=True),
        Field("project_id", lambda s: s.project_id),
        Field("description", lambda s: s.description),
        Field("dns_ip", lambda s: s.dns_ip),
        Field("server", lambda s: s.server),
        Field("domain", lambda s: s.domain),
        Field("user", lambda s: s.user),
        Field("password", lambda s: s.password, rule=PASSWORD),
        Field("ou", lambda s: s.ou, since=OU_SINCE),
        Field("default_ad_site", lambda s: s.default_ad_site, since=SITE_SINCE),
        Field("created_at", lambda s: s.created_at),
        Field("updated_at", lambda s: s.updated_at),
    ),
    project=lambda s: s.project_id,
)


def create(request: Request) -> dict[str, Any]:
    """Make one."""
    values = dict(request.body)
    kind = SecurityServiceType(values.pop("type"))
    _check_site(values)
    with request.db.write() as tx:
        return VIEW.one(request, use_case.create(tx, request.ctx, kind, values))


def index(request: Request) -> dict[str, Any]:
    """Security services in short."""
    return VIEW.many(request, _find(request), summary=True)


def detail(request: Request) -> dict[str, Any]:
    """Security services with all that they show."""
    return VIEW.many(request, _find(request))


def show(request: Request) -> dict[str, Any]:
    """One security service."""
    with request.db.read() as tx:
        return VIEW.one(request, use_case.own(tx, request.ctx, request.params["id"]))


def update(request: Request) -> dict[str, Any]:
    """Change one."""
    with request.db.write() as tx:
        known = use_case.own(tx, request.ctx, request.params["id"])
        values = dict(request.body)
        now = {"server": known.server, "default_ad_site": known.default_ad_site}
        _check_site({**now, **values})
        return VIEW.one(request, use_case.update(tx, request.ctx, known.id, values))


def delete(request: Request) -> None:
    """Delete one that no share network has."""
    with request.db.write() as tx:
        use_case.delete(tx, request.ctx, request.params["id"])


def _check_site(values: dict[str, Any]) -> None:
    if values.get("default_ad_site") and values.get("server"):
        raise BadRequest("Give server or default_ad_site, not both: a site has its own servers.")


def _find(request: Request) -> Slice[SecurityService]:
    query = request.query
    parts = request.version >= V(2, 36)
    status = query.get("status")
    if status is not None and status not in _STATUSES:
        raise BadRequest(f"status={status!r}: give one of {', '.join(_STATUSES)}.")
    wanted = SecurityQuery(
        project_id=listed_project(request),
        equal={name: query[name] for name in FILTERS if query.get(name)},
        name_part=query.get("name~") if parts else None,
        description_part=query.get("description~") if parts else None,
        default_ad_site=query.get("default_ad_site") if request.version >= SITE_SINCE else None,
        share_network_id=query.get("share_network_id"),
        in_use=None if status is None else status == _STATUSES[1],
    )
    with request.db.read() as tx:
        return db.find(tx, wanted, page(request, descending=True))


_KEYS = (
    Key(name="name", check=text()),
    Key(name="description", check=text()),
    Key(name="dns_ip", check=text()),
    Key(name="server", check=text()),
    Key(name="domain", check=text()),
    Key(name="user", check=text()),
    Key(name="password", check=text(), secret=True),
    Key(name="ou", check=text(), since=OU_SINCE),
    Key(name="default_ad_site", check=text(), since=SITE_SINCE),
)
_TYPE = one_of(*SecurityServiceType)
CREATE = Body("security_service", (Key(name="type", check=_TYPE, required=True), *_KEYS))
UPDATE = Body("security_service", (Key(name="type", check=_TYPE, nullable=False), *_KEYS))

RULES = (
    Rule("security_service:index", READER, "List the project's security services."),
    Rule("security_service:show", READER, "See a security service of the project's."),
    Rule("security_service:create", MEMBER, "Make a security service."),
    Rule("security_service:update", MEMBER, "Change a security service of the project's."),
    Rule("security_service:delete", MEMBER, "Delete a security service of the project's."),
    Rule(
        PASSWORD,
        "role:member and project_id:%(project_id)s",
        "See the password of a security service; other projects' administrators don't.",
    ),
)

_ONE = "/security-services/{id}"
ROUTES = (
    Route("GET", "/security-services", index, "security_service:index"),
    Route("GET", "/security-services/detail", detail, "security_service:index"),
    Route("POST", "/security-services", create, "security_service:create", body=CREATE),
    Route("GET", _ONE, show, "security_service:show"),
    Route("PUT", _ONE, update, "security_service:update", body=UPDATE),
    Route("DELETE", _ONE, delete, "security_service:delete", 202),
)
