"""Audits: which backend is to be audited, and when it was."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update

from abaca.db.database import Tx
from abaca.db.findings import of_backend
from abaca.db.tables import audits, now, pools, services
from abaca.model.finding import Audit, Wanted


def get(tx: Tx, host: str) -> Audit | None:
    """That of one ``host@backend``; None if it was never asked for and never done."""
    return tx.one(Audit, select(audits).where(audits.c.host == host))


def every(tx: Tx) -> list[Audit]:
    """All, by backend."""
    return tx.all(Audit, select(audits).order_by(audits.c.host))


def hosts(tx: Tx, backend: str | None) -> list[str]:
    """The backends that have reported: all, or those of this name (``host@backend`` or part)."""
    known = select(services.c.host).union(select(pools.c.host)).subquery()
    statement = select(known.c.host).where(known.c.host.contains("@"))
    if backend is not None:
        statement = statement.where(of_backend(known.c.host, backend))
    return sorted(tx.execute(statement).scalars())


def want(tx: Tx, host: str, what: Wanted) -> None:
    """Somebody asked for it; a repair that was asked for before stays one."""
    known = get(tx, host)
    kept = known.wanted if known is not None and known.wanted == Wanted.REPAIR else what
    _write(tx, host, {"wanted": str(kept), "wanted_at": now()})


def finished(tx: Tx, host: str, started_at: datetime, *, settled: bool) -> None:
    """A look has ended. If it left nothing open, what was asked for before it began is done."""
    _write(tx, host, {"finished_at": now()})
    if settled:
        done = (audits.c.host == host) & (audits.c.wanted_at <= started_at)
        tx.execute(update(audits).where(done).values(wanted=None, wanted_at=None))


def _write(tx: Tx, host: str, values: dict[str, object]) -> None:
    change = update(audits).where(audits.c.host == host).values(**values)
    if tx.execute(change).rowcount:
        return
    if not tx.add(insert(audits).values(host=host, **values)):
        tx.execute(change)  # another process made the row at the same moment
