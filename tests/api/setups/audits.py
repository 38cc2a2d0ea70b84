"""What audits found on two backends."""

from __future__ import annotations

from datetime import timedelta

from abaca.db import audits, findings, services
from abaca.db.database import Database
from abaca.db.tables import now
from abaca.model.finding import Direction, Discrepancy

STRAY = Discrepancy(kind="share_server", resource_id="v", direction=Direction.MISSING_IN_LEDGER)
LOST = Discrepancy(
    kind="share", resource_id="s", direction=Direction.MISSING_IN_WORLD, detail="of v"
)
PORT = Discrepancy(kind="network", resource_id="port 7", direction=Direction.MISSING_IN_LEDGER)
DOWN = Discrepancy(kind="backend", resource_id="n@two", direction=Direction.NOT_ASKED, detail="off")


def looked(db: Database) -> dict[str, str]:
    """``stray`` and ``lost`` are found on one, a port repaired; on two ``down`` is suspected."""
    for seen, confirm in (((STRAY, LOST), 0), ((STRAY, LOST), 0), ((STRAY, LOST, PORT), 60)):
        with db.write() as tx:
            findings.replace(
                tx, "n@one", seen, knows=lambda _: True, confirm_after=timedelta(seconds=confirm)
            )
    with db.write() as tx:
        findings.repaired(tx, "n@one", [PORT])
        findings.replace(
            tx, "n@two", [DOWN], knows=lambda _: True, confirm_after=timedelta(seconds=60)
        )
        audits.finished(tx, "n@one", now(), settled=True)
        for host in ("n@one", "n@two"):
            services.seen(tx, host, "nova")
        every = {item.kind: item.id for item in findings.of_host(tx, "n@one")}
        (down,) = findings.of_host(tx, "n@two")
    return {"stray": every["share_server"], "lost": every["share"], "down": down.id}
