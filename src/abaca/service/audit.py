"""Ledger and world of this host's backends, compared here and now."""

from __future__ import annotations

import time
from dataclasses import dataclass

from abaca.config import Config
from abaca.db.database import Database
from abaca.manager.comparison import compare_all
from abaca.service.managers import make_backends


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is on one side only."""

    backend: str
    kind: str
    resource_id: str
    direction: str
    detail: str


def differences(config: Config, db: Database, *, pause: float) -> list[Difference]:
    """What two looks both see, so many seconds apart; changes nothing.

    Share managers may work meanwhile: what they are at is left out. While nobody
    works one look is exact: the second is for what is seen only.
    """
    backends = make_backends(config, db)
    first = {
        (host, item.key)
        for host, seen in compare_all(db, backends).items()
        for item in seen.discrepancies
    }
    if not first:
        return []
    time.sleep(pause)
    return [
        Difference(
            backend=host.partition("@")[2],
            kind=item.kind,
            resource_id=item.resource_id,
            direction=str(item.direction),
            detail=item.detail,
        )
        for host, seen in sorted(compare_all(db, backends).items())
        for item in sorted(seen.discrepancies, key=lambda item: item.key)
        if (host, item.key) in first
    ]
