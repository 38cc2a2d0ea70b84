"""Audits: which backend is to be audited, and when it was."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import case, insert, literal, select, tuple_, update

from abaca.db.database import Tx
from abaca.db.findings import SEEN_KEPT, of_backend
from abaca.db.services import SHARE_MANAGER
from abaca.db.tables import audits, findings, now, pools, services, share_servers
from abaca.model.finding import NOBODY_KNOWS, STRANGE_SERVER, Audit, Wanted
from abaca.modes import DriverMode


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
    # Compared where the row is locked: two that ask at once don't undo each other's request.
    repair = literal(str(Wanted.REPAIR))
    kept = case((audits.c.wanted == repair, repair), else_=str(what))
    stamp = now()
    _write(tx, host, {"wanted": kept, "wanted_at": stamp}, {"wanted": str(what)})


def finished(tx: Tx, host: str, started_at: datetime, *, settled: bool) -> None:
    """A look has ended. If it left nothing open, what was asked for before it began is done."""
    _write(tx, host, {"finished_at": now()})
    if settled:
        done = (audits.c.host == host) & (audits.c.wanted_at <= started_at)
        tx.execute(update(audits).where(done).values(wanted=None, wanted_at=None))


def unsure(tx: Tx, since: datetime, *, but: Collection[str] = ()) -> list[str]:
    """The backends, on any host, that may have share servers which no row knows.

    Those that have some, whose driver could not be asked, or that were not looked at
    ``since`` then. What no row claims may be theirs, in whatever section: plugins know
    their things by a tag that all sections share. ``but``: whoever asks has looked there.
    """
    looked = select(audits.c.host).where(audits.c.finished_at >= since)
    finding = tuple_(findings.c.kind, findings.c.direction)
    odd = select(findings.c.host).where(
        findings.c.repaired_at.is_(None), finding.in_([STRANGE_SERVER, NOBODY_KNOWS])
    )
    hosts = _with_servers(tx) - set(but)
    sure = set(tx.execute(looked).scalars()) - set(tx.execute(odd.distinct()).scalars())
    return sorted(hosts - sure)


def _with_servers(tx: Tx) -> set[str]:
    """Those whose mode has share servers, or that have some; not those that are no more."""
    single = select(pools.c.host).where(pools.c.driver_mode == str(DriverMode.SINGLE))
    reported = select(services.c.host).where(
        services.c.binary == SHARE_MANAGER,
        services.c.seen_at > now() - SEEN_KEPT,
        services.c.host.not_in(single),
    )
    return set(tx.execute(reported.union(select(share_servers.c.host))).scalars())


def _write(
    tx: Tx, host: str, values: dict[str, object], first: Mapping[str, object] | None = None
) -> None:
    """``first``: what a new row has instead."""
    change = update(audits).where(audits.c.host == host).values(**values)
    if tx.execute(change).rowcount:
        return
    if not tx.add(insert(audits).values({"host": host, **values, **(first or {})})):
        tx.execute(change)  # another process made the row at the same moment
