"""A database on a file system that has little room, and is full for a while."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from abaca.demo import leftovers
from abaca.linux.command import run
from abaca.testing.databases import SERVERS, DatabaseServer, serving
from abaca.torture import volume
from abaca.torture.disasters import OUTAGE_SECONDS, Ask, Disaster, patiently, site_url
from abaca.torture.site import Site

NAME = "database full"
SQLITE_BYTES = 16 << 20
ROWS = 2000
"""More than enough to need room that is not there."""
_GREEDY = {
    # Fills what it has of its log, and can't go on without the next part of it.
    "postgresql": "SELECT pg_logical_emit_message(true, 'filler', repeat('x', 100000))",
    "mariadb": "INSERT INTO filler SELECT REPEAT('x', 60000)",
}


@contextmanager
def small_database(kind: str) -> Iterator[tuple[str, Disaster]]:
    """The URL of a database of that kind, and how its file system is filled up. Needs root."""
    size = volume.VOLUME_BYTES if kind in SERVERS else SQLITE_BYTES
    with _small_folder(size) as folder:
        if kind not in SERVERS:
            yield f"sqlite:///{folder}/abaca.db", Disaster(name=NAME, strike=partial(_full, folder))
            return
        with serving(kind, folder) as server:
            url = site_url(server, kind)
            strike = partial(_server_full, server, kind, folder)
            yield url, Disaster(name=NAME, strike=strike)


@contextmanager
def _small_folder(size: int) -> Iterator[Path]:
    root = Path(tempfile.gettempdir(), f"{leftovers.PREFIX}t{secrets.token_hex(3)}")
    leftovers.claim(root)
    try:
        # The servers' accounts have to pass.
        root.chmod(0o711)
        folder = root / "database"
        folder.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
        yield folder
    finally:
        leftovers.remove(root)


def _full(folder: Path, _site: Site, ask: Ask) -> None:
    """No room from just after the request."""
    ask()
    with volume.full(folder):
        time.sleep(OUTAGE_SECONDS)


def _server_full(server: DatabaseServer, kind: str, folder: Path, site: Site, ask: Ask) -> None:
    """No room from just after the request, until the server has refused something for want of it.

    One that has ended for that reason is started again once there is room, as an
    administrator or systemd would.
    """
    scratch = server.create()
    _run(scratch, "CREATE TABLE filler (content TEXT)")
    ask()
    with volume.full(folder):
        _run(scratch, *[_GREEDY[kind]] * ROWS)
        time.sleep(OUTAGE_SECONDS)
    server.start()
    server.drop(scratch)
    patiently(site.unsettled)


def _run(url: str, *statements: str) -> None:
    """Each in a transaction of its own, until one is refused."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with suppress(DBAPIError), engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
