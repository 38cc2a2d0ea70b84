"""Where ledger and world differ: what audits found, for administrators.

An addition of Abaca's, at every version. Asking for an audit or a repair makes a
task of each backend; the list shows what came of it.
"""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, text
from abaca.api.fields import Field, View
from abaca.api.paging import page
from abaca.api.policy import ADMIN, Rule
from abaca.api.request import Request
from abaca.api.routing import Action, Route
from abaca.db import audits as audit_rows
from abaca.db import findings as db
from abaca.db.findings import FindingQuery
from abaca.errors import BadRequest, NotFound
from abaca.model.finding import Audit, Finding, FindingState, Wanted
from abaca.model.page import Slice
from abaca.share import audits as use_case

FILTERS = ("kind", "direction", "resource_id")

VIEW: View[Finding] = View(
    "orphan",
    "orphans",
    (
        Field("id", lambda item: item.id),
        Field("host", lambda item: item.host),
        Field("backend", lambda item: item.backend),
        Field("kind", lambda item: item.kind),
        Field("resource_id", lambda item: item.resource_id),
        Field("direction", lambda item: str(item.direction)),
        Field("state", lambda item: str(item.state)),
        Field("detail", lambda item: item.detail),
        Field("first_seen", lambda item: item.first_seen),
        Field("last_seen", lambda item: item.last_seen),
        Field("confirmed_at", lambda item: item.confirmed_at),
        Field("repaired_at", lambda item: item.repaired_at),
    ),
)
AUDITS: View[Audit] = View(
    "audit",
    "audits",
    (
        Field("host", lambda item: item.host),
        Field("backend", lambda item: item.backend),
        Field("wanted", lambda item: item.wanted),
        Field("wanted_at", lambda item: item.wanted_at),
        Field("finished_at", lambda item: item.finished_at),
    ),
)


def index(request: Request) -> dict[str, Any]:
    """What was found, suspected or repaired, oldest first; narrowed by the filters."""
    query = request.query
    wanted = FindingQuery(
        equal={name: query[name] for name in FILTERS if name in query},
        backend=query.get("backend"),
        state=_state(query.get("state")),
    )
    with request.db.read() as tx:
        found = db.find(tx, wanted, page(request, sort="first_seen"))
    return VIEW.many(request, found)


def _state(said: str | None) -> FindingState | None:
    if said is not None and said not in list(FindingState):
        raise BadRequest(f"state={said!r}: give one of {', '.join(FindingState)}.")
    return FindingState(said) if said is not None else None


def show(request: Request) -> dict[str, Any]:
    """One of them."""
    with request.db.read() as tx:
        found = db.get(tx, request.params["id"])
    if found is None:
        raise NotFound(f"Orphan {request.params['id']} could not be found.")
    return VIEW.one(request, found)


def audits(request: Request) -> dict[str, Any]:
    """When each backend was audited, and what is still to be done."""
    with request.db.read() as tx:
        found = audit_rows.every(tx)
    return _shown(request, found)


def audit(request: Request) -> dict[str, Any]:
    """Compare now."""
    return _asked(request, Wanted.AUDIT)


def repair(request: Request) -> dict[str, Any]:
    """Compare now, and repair what is safe, however young."""
    return _asked(request, Wanted.REPAIR)


def _asked(request: Request, what: Wanted) -> dict[str, Any]:
    with request.db.write() as tx:
        found = use_case.ask(tx, request.ctx, what, request.body.get("backend"))
    return _shown(request, found)


def _shown(request: Request, found: list[Audit]) -> dict[str, Any]:
    return AUDITS.many(request, Slice(items=tuple(found), more=False, count=None))


BODY = Body(None, (Key(name="backend", check=text(least=1)),), strict=True, optional=True)
RULES = (
    Rule("orphan:index", ADMIN, "List what audits found."),
    Rule("orphan:get", ADMIN, "See one thing that audits found."),
    Rule("orphan:audit", ADMIN, "Have backends audited now."),
    Rule("orphan:repair", ADMIN, "Have what is nobody's removed, where that is safe."),
)
_ACTIONS = (
    Action("audit", audit, "orphan:audit", body=BODY),
    Action("repair", repair, "orphan:repair", body=BODY),
)
ROUTES = (
    Route("GET", "/orphans", index, "orphan:index"),
    Route("GET", "/orphans/audits", audits, "orphan:index"),
    Route("GET", "/orphans/{id}", show, "orphan:get"),
    Route("POST", "/orphans/action", None, None, 202, actions=_ACTIONS),
)
