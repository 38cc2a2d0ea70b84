"""One process from start to stop: API, share managers, or both."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import structlog

from abaca import logs
from abaca.config import Config
from abaca.db.database import Database
from abaca.errors import ConfigError
from abaca.service.state import open_database

if TYPE_CHECKING:
    from abaca.service.api import ApiServer

log = structlog.get_logger()
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(config: Config, *, api: bool, managers: bool, say: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT. ``say`` gets the lines that a person waits for.

    Share servers go on serving afterwards. ConfigError or DriverError if it can't start.
    """
    logs.configure(config.service.log_level, config.service.log_format)
    with _stop_signal() as stop, ExitStack() as stack:
        db = open_database(config.service)
        stack.callback(db.close)
        # The port first: a second instance by mistake must not touch what the first one runs.
        server, url = _listen(config, db, say) if api else (None, "")
        if server is not None:
            stack.callback(server.stop)
        if managers and not stop.is_set():
            _manage(config, db, stack)
        if server is not None:
            threading.Thread(target=server.serve, name="abaca-api", daemon=True).start()
            say(f"abaca: listening on {url}")
        log.info("started", host=config.service.host, url=url, backends=_names(config, managers))
        stop.wait()
        log.info("stopping")
    log.info("stopped")


def _names(config: Config, managers: bool) -> list[str]:
    return [backend.name for backend in config.backends] if managers else []


def _manage(config: Config, db: Database, stack: ExitStack) -> None:
    from abaca.service.managers import make_manager  # noqa: PLC0415 - the API has no need of it

    manager = make_manager(config, db)
    stack.callback(manager.stop)
    manager.start()


def _listen(config: Config, db: Database, say: Callable[[str], None]) -> tuple[ApiServer, str]:
    from abaca.service.api import ApiServer, make_api  # noqa: PLC0415 - nor managers of the API

    server = ApiServer(make_api(config, db, say), config.api)
    try:
        return server, server.listen()
    except OSError as error:
        where = f"{config.api.listen_address}:{config.api.listen_port}"
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(
            [f"[DEFAULT] listen_port: {where} can't be listened on: {reason}"]
        ) from error


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, inside the block."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
