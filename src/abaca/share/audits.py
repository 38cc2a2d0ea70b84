"""Asking for audits: each backend is audited for itself."""

from __future__ import annotations

from abaca.context import Context
from abaca.db import audits
from abaca.db.database import Tx
from abaca.errors import NotFound
from abaca.model.finding import Audit, Wanted
from abaca.work.audits import enqueue_audit


def ask(tx: Tx, ctx: Context, what: Wanted, backend: str | None) -> list[Audit]:
    """Have one backend audited now, or all; NotFound if there is none of this name."""
    hosts = audits.hosts(tx, backend)
    if not hosts and backend is not None:
        raise NotFound(f"Backend {backend} could not be found.")
    for host in hosts:
        audits.want(tx, host, what)
        enqueue_audit(tx, host, ctx)
    return [item for item in audits.every(tx) if item.host in hosts]
