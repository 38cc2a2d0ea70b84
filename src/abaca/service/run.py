"""One process from start to stop: API, share managers, or both."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

import structlog

from abaca import logs
from abaca.config import Config
from abaca.db.database import Database
from abaca.errors import ConfigError
from abaca.service.signals import handled
from abaca.service.state import open_database

if TYPE_CHECKING:
    from abaca.api.settings import CurrentSettings
    from abaca.service.http import HttpServer

log = structlog.get_logger()


def run(
    config: Config,
    *,
    api: bool,
    managers: bool,
    say: Callable[[str], None],
    again: Callable[[], Config],
) -> None:
    """Run until SIGTERM or SIGINT; ``again`` reads the configuration anew, for SIGHUP.

    ``say`` gets the lines that a person waits for. Share servers go on serving
    afterwards. ConfigError or DriverError if it can't start.
    """
    logs.configure(config.service.log_level, config.service.log_format)
    with handled() as told, ExitStack() as stack:
        db = open_database(config.service)
        stack.callback(db.close)
        current = _settings(config) if api else None
        # The port first: a second instance by mistake must not touch what the first one runs.
        server, url = _listen(config, db, say, current) if api else (None, "")
        if server is not None:
            stack.callback(server.stop)
        _observe(config, db, stack, say, managers_only=not api)
        if managers and not told.stopping:
            _manage(config, db, stack)
        if server is not None:
            threading.Thread(target=server.serve, name="abaca-api", daemon=True).start()
            server.await_serving()
            say(f"abaca: listening on {url}")
        log.info("started", host=config.service.host, url=url, backends=_names(config, managers))
        # Nor is it looked through later; from here on garbage is collected.
        gc.freeze()
        gc.enable()
        told.until_stop(lambda: _reload(again, current))
        log.info("stopping")
    log.info("stopped")


def _names(config: Config, managers: bool) -> list[str]:
    return [backend.name for backend in config.backends] if managers else []


def _settings(config: Config) -> CurrentSettings:
    from abaca.api.settings import CurrentSettings  # noqa: PLC0415 - managers have no need of it
    from abaca.service.api import make_settings  # noqa: PLC0415

    return CurrentSettings(make_settings(config))


def _reload(again: Callable[[], Config], current: CurrentSettings | None) -> None:
    """Take over what may change live; a configuration with faults changes nothing."""
    if current is None:
        log.info("configuration_not_reloaded", reason="share managers take it at their start")
        return
    from abaca.service.api import make_settings  # noqa: PLC0415 - same

    try:
        wanted = make_settings(again())
    except ConfigError as error:
        log.error("configuration_not_reloaded", faults=error.faults)  # noqa: TRY400 - lines say it
        return
    changed, waiting = current.change(wanted)
    log.info("configuration_reloaded", changed=changed, needs_restart=waiting)


def _manage(config: Config, db: Database, stack: ExitStack) -> None:
    from abaca.service.managers import make_manager  # noqa: PLC0415 - the API has no need of it

    manager = make_manager(config, db)
    stack.callback(manager.stop)
    manager.start()


def _listen(
    config: Config, db: Database, say: Callable[[str], None], current: CurrentSettings | None
) -> tuple[HttpServer, str]:
    from abaca.service.api import make_api, make_server  # noqa: PLC0415 - nor managers of the API

    server = make_server(make_api(config, db, say, current), config.api)
    where = (config.api.listen_address, config.api.listen_port)
    return server, _open(server, "listen_port", where)


def _open(server: HttpServer, option: str, where: tuple[str, int]) -> str:
    try:
        return server.listen()
    except OSError as error:
        text = f"{where[0]}:{where[1]} can't be listened on"
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([f"[DEFAULT] {option}: {text}: {reason}"]) from error


def _observe(
    config: Config,
    db: Database,
    stack: ExitStack,
    say: Callable[[str], None],
    *,
    managers_only: bool,
) -> None:
    """Answer monitoring on an address of its own, if that is configured."""
    where = config.service.metrics_listen
    if where is None:
        return
    from abaca.service.observing import make_listener  # noqa: PLC0415 - only what is configured

    # A manager by itself answers for its own backends; with the API, for all.
    hosts = [item.host for item in config.backends] if managers_only else None
    server = make_listener(where, db, hosts)
    say(f"abaca: metrics on {_open(server, 'metrics_listen', where)}/metrics")
    stack.callback(server.stop)
    threading.Thread(target=server.serve, name="abaca-metrics", daemon=True).start()
    server.await_serving()
