"""Wakes the workers of other processes, where the database passes notices on (PostgreSQL).

Nothing depends on a notice: one that is lost costs the time until the next look. A process
hears its own notices too, but its doorbell has rung by then: it does not look twice.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import closing
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary, WeakValueDictionary

import structlog
from sqlalchemy import Engine, String, bindparam, func

from abaca.db.database import Database, Tx
from abaca.db.engine import translated
from abaca.errors import DatabaseUnavailable
from abaca.work.doorbell import Doorbell

if TYPE_CHECKING:
    from psycopg import Connection

log = structlog.get_logger()
CHANNEL = "abaca_tasks"
LOOK_SECONDS = 1.0
"""How soon it is seen that listening is to end."""
RETRY_SECONDS = 5.0

NOTICE = func.pg_notify(CHANNEL, bindparam("noticed_queue", type_=String))
"""Part of a statement (PostgreSQL) that has whoever works on the queue look, once it is committed.

Its parameters are those of `notice_values`, and it is followed by `announced`.
"""

_announcers: WeakKeyDictionary[Engine, WeakValueDictionary[int, Connection]] = WeakKeyDictionary()
"""The sessions of the database that an engine's notices went out from, by their process ID there.

The database gives the ID to another session once one has ended.
"""


def notice_values(queue: str | None) -> dict[str, str]:
    """What a statement with `NOTICE` is told; None: whoever there is."""
    return {"noticed_queue": queue or ""}


def announced(tx: Tx) -> None:
    """The session's notices are this process's own, which its `Listener` passes over."""
    raw = cast("Connection", tx.connection.connection.dbapi_connection)
    engine, session = tx.connection.engine, raw.pgconn.backend_pid
    sessions = _announcers.get(engine)
    if sessions is None:
        sessions = _announcers.setdefault(engine, WeakValueDictionary())
    if sessions.get(session) is not raw:
        sessions[session] = raw


class Listener:
    """Rings the doorbell when another process queued something for these queues."""

    def __init__(
        self,
        db: Database,
        queues: Collection[str],
        bell: Doorbell,
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._db = db
        self._heard = frozenset(queues) | {""}
        self._bell = bell
        self._retry_seconds = retry_seconds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen from now on; does nothing where the database passes nothing on."""
        if self._db.kind == "postgresql":
            self._thread = threading.Thread(target=self._run, name="abaca-notices", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Listen no longer."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2 * LOOK_SECONDS)

    def _run(self) -> None:
        """Listen, and again if the connection is lost: for whatever came meanwhile, ring."""
        # The driver's own: it is asked for notices past SQLAlchemy.
        lost = (DatabaseUnavailable, self._db.engine.dialect.loaded_dbapi.Error)
        while not self._stopping.is_set():
            try:
                with translated():
                    self._listen()
            except lost as error:
                log.warning("notices_not_heard", error=str(error))
            except Exception:
                log.exception("notices_not_heard")
            self._stopping.wait(self._retry_seconds)

    def _listen(self) -> None:
        with self._db.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(f"LISTEN {CHANNEL}")
            raw = cast("Connection", connection.connection.dbapi_connection)
            # Not to be used for anything else after this.
            connection.detach()
            self._bell.ring()
            while not self._stopping.is_set():
                self._hear(raw)

    def _hear(self, connection: Connection) -> None:
        with closing(connection.notifies(timeout=LOOK_SECONDS)) as notices:
            for notice in notices:
                if notice.payload in self._heard and not self._own(notice.pid):
                    self._bell.ring()

    def _own(self, session_id: int) -> bool:
        sessions = _announcers.get(self._db.engine)
        session = None if sessions is None else sessions.get(session_id)
        return session is not None and not session.closed
