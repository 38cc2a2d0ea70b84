"""``POST /shares/{id}/action``: one body key per action, with ``os-`` before version 2.7."""

from __future__ import annotations

from abaca.api import access_rules
from abaca.api.bodies import Body, Key, boolean, integer, text
from abaca.api.microversion import V
from abaca.api.policy import ADMIN, MEMBER, Rule
from abaca.api.request import Request
from abaca.api.routing import Action, Route, action
from abaca.api.shares import BIN_SINCE
from abaca.errors import BadRequest
from abaca.share import recycle_bin, resize, shares, snapshots
from abaca.share.lookup import own_share


def extend(request: Request) -> None:
    """Have a share grow."""
    if request.body.get("force"):
        request.require("share:force_extend")
    with request.db.write() as tx:
        resize.extend(
            tx,
            request.ctx,
            request.params["share_id"],
            request.body["new_size"],
            limits=request.settings.quota_limits,
        )


def shrink(request: Request) -> None:
    """Have a share shrink."""
    with request.db.write() as tx:
        resize.shrink(tx, request.ctx, request.params["share_id"], request.body["new_size"])


def force_delete(request: Request) -> None:
    """Have a share deleted; every delete already supersedes what is under way."""
    with request.db.write() as tx:
        shares.delete(tx, request.ctx, request.params["share_id"])


def soft_delete(request: Request) -> None:
    """Put a share into the recycle bin."""
    with request.db.write() as tx:
        recycle_bin.soft_delete(
            tx,
            request.ctx,
            request.params["share_id"],
            retention_seconds=request.settings.soft_deleted_seconds,
        )


def restore(request: Request) -> None:
    """Take a share out of the recycle bin."""
    with request.db.write() as tx:
        recycle_bin.restore(tx, request.ctx, request.params["share_id"])


def reset_status(request: Request) -> None:
    """Set the status by hand."""
    with request.db.write() as tx:
        shares.reset_status(tx, request.ctx, request.params["share_id"], request.body["status"])


def reset_task_state(request: Request) -> None:
    """Set the state of a share's migration: without migrations there is only none to set."""
    with request.db.read() as tx:
        own_share(tx, request.ctx, request.params["share_id"], binned=True)
    asked = request.body.get("task_state")
    if asked not in {None, "", "None"}:
        raise BadRequest(f"task_state={asked!r}: shares are not migrated; give null.")


def revert(request: Request) -> None:
    """Have a share go back to its latest snapshot."""
    with request.db.write() as tx:
        snapshots.revert(tx, request.ctx, request.params["share_id"], request.body["snapshot_id"])


_SIZE = Key(name="new_size", check=integer(least=1, most=2**31 - 1), required=True)
EXTEND = Body(None, (_SIZE, Key(name="force", check=boolean(), since=V(2, 64))))
SHRINK = Body(None, (_SIZE,))
NOTHING = Body(None, (), optional=True)
STATUS = Body(
    None,
    (Key(name="status", check=text(least=1), required=True),),
)
TASK_STATE = Body(None, (Key(name="task_state", check=text()),), optional=True)
REVERT = Body(None, (Key(name="snapshot_id", check=text(least=1), required=True),))

RULES = (
    Rule("share:extend", MEMBER, "Extend a share."),
    Rule("share:force_extend", ADMIN, "Extend a share without asking the scheduler."),
    Rule("share:shrink", MEMBER, "Shrink a share."),
    Rule("share:force_delete", ADMIN, "Delete a share in any state."),
    Rule("share:reset_status", ADMIN, "Set the status of a share by hand."),
    # `openstack share set` asks for it whatever it is to set.
    Rule("share:reset_task_state", MEMBER, "Set the state of a share's migration by hand."),
    Rule("share:soft_delete", MEMBER, "Put a share into the recycle bin."),
    Rule("share:restore", MEMBER, "Take a share out of the recycle bin."),
    Rule("share:revert_to_snapshot", MEMBER, "Revert a share to its latest snapshot."),
)

ROUTES = (
    Route(
        "POST",
        "/shares/{share_id}/action",
        None,
        None,
        actions=(
            *access_rules.ACTIONS,
            *action("extend", extend, "share:extend", body=EXTEND),
            *action("shrink", shrink, "share:shrink", body=SHRINK),
            *action("force_delete", force_delete, "share:force_delete", body=NOTHING),
            *action("reset_status", reset_status, "share:reset_status", body=STATUS),
            *action(
                "reset_task_state",
                reset_task_state,
                "share:reset_task_state",
                body=TASK_STATE,
                since=V(2, 5),
                experimental=True,
            ),
            Action("revert", revert, "share:revert_to_snapshot", body=REVERT, since=V(2, 27)),
            Action("soft_delete", soft_delete, "share:soft_delete", body=NOTHING, since=BIN_SINCE),
            Action("restore", restore, "share:restore", body=NOTHING, since=BIN_SINCE),
        ),
    ),
)
