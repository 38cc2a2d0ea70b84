"""Share transfers, since 2.77: offered in one project, taken up in another with the key."""

from __future__ import annotations

from typing import Any

from abaca.api.bodies import Body, Key, boolean, text
from abaca.api.fields import Always, Field, View
from abaca.api.lists import listed_project
from abaca.api.microversion import V
from abaca.api.paging import page
from abaca.api.policy import MEMBER, READER, Rule
from abaca.api.request import Request
from abaca.api.routing import Route
from abaca.db import share_transfers as db
from abaca.db.share_transfers import COLUMNS, TransferQuery
from abaca.model.page import Slice
from abaca.model.share_transfer import ShareTransfer
from abaca.share import share_transfers as use_case

SINCE = V(2, 77)
_KIND = "share"


VIEW: View[ShareTransfer] = View(
    "transfer",
    "transfers",
    (
        Field("id", lambda t: t.id, in_summary=True),
        Field("name", lambda t: t.name, in_summary=True),
        Field("resource_type", Always(_KIND), in_summary=True),
        Field("resource_id", lambda t: t.share_id, in_summary=True),
        Field("source_project_id", lambda t: t.project_id),
        # Once it is taken up it is no more.
        Field("destination_project_id", Always(None)),
        Field("accepted", Always(False)),
        Field("created_at", lambda t: t.created_at),
        Field("expires_at", lambda t: t.expires_at),
    ),
    project=lambda t: t.project_id,
    link="/share-transfers/{}",
)


def create(request: Request) -> dict[str, Any]:
    """Offer a share; only this answer has the key."""
    with request.db.write() as tx:
        transfer, key = use_case.create(
            tx,
            request.ctx,
            request.body["share_id"],
            request.body.get("name"),
            seconds=request.settings.transfer_seconds,
        )
    shown = VIEW.one(request, transfer)
    shown[VIEW.name]["auth_key"] = key
    return shown


def index(request: Request) -> dict[str, Any]:
    """Transfers in short."""
    return VIEW.many(request, _find(request), summary=True)


def detail(request: Request) -> dict[str, Any]:
    """Transfers with all that they show."""
    return VIEW.many(request, _find(request))


def show(request: Request) -> dict[str, Any]:
    """One transfer."""
    with request.db.read() as tx:
        return VIEW.one(request, use_case.own(tx, request.ctx, request.params["id"]))


def delete(request: Request) -> None:
    """Take the offer back."""
    with request.db.write() as tx:
        use_case.delete(tx, request.ctx, request.params["id"])


def accept(request: Request) -> None:
    """Take a share up in the caller's project."""
    with request.db.write() as tx:
        use_case.accept(
            tx,
            request.ctx,
            request.params["id"],
            request.body["auth_key"],
            clear_rules=bool(request.body.get("clear_access_rules")),
            limits=request.settings.quota_limits,
        )


def _find(request: Request) -> Slice[ShareTransfer]:
    query = request.query
    wanted = TransferQuery(
        project_id=listed_project(request),
        equal={name: query[name] for name in COLUMNS if query.get(name)},
        name_part=query.get("name~"),
        nothing=query.get("resource_type", _KIND) != _KIND,
    )
    with request.db.read() as tx:
        return db.find(tx, wanted, page(request, descending=True))


CREATE = Body(
    "transfer",
    (Key(name="share_id", check=text(least=1), required=True), Key(name="name", check=text())),
)
ACCEPT = Body(
    "accept",
    (
        Key(name="auth_key", check=text(least=1), required=True, secret=True),
        Key(name="clear_access_rules", check=boolean()),
    ),
)

RULES = (
    Rule("share_transfer:create", MEMBER, "Offer a share to another project."),
    Rule("share_transfer:get_all", READER, "List the project's share transfers."),
    Rule("share_transfer:get", READER, "See a share transfer of the project's."),
    Rule("share_transfer:delete", MEMBER, "Take an offer of a share back."),
    Rule("share_transfer:accept", MEMBER, "Take up a share that another project offers."),
)

_ALL, _ONE = "/share-transfers", "/share-transfers/{id}"
ROUTES = (
    Route("POST", _ALL, create, "share_transfer:create", 202, CREATE, SINCE),
    Route("GET", _ALL, index, "share_transfer:get_all", since=SINCE),
    Route("GET", f"{_ALL}/detail", detail, "share_transfer:get_all", since=SINCE),
    Route("GET", _ONE, show, "share_transfer:get", since=SINCE),
    Route("DELETE", _ONE, delete, "share_transfer:delete", 202, since=SINCE),
    Route("POST", f"{_ONE}/accept", accept, "share_transfer:accept", 202, ACCEPT, SINCE),
)
