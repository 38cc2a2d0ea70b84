"""What every process of a deployment begins with: its directory, its name, its database."""

from __future__ import annotations

import os
import secrets

import structlog

from abaca.config import ServiceConfig
from abaca.db import migrate
from abaca.db.database import Database
from abaca.errors import ConfigError

log = structlog.get_logger()


def open_database(service: ServiceConfig) -> Database:
    """The configured database, at this code's schema. The caller closes it."""
    make_state_path(service)
    db = Database(service.database_url)
    try:
        migrate.upgrade(db)
    except BaseException:
        db.close()
        raise
    return db


def make_state_path(service: ServiceConfig) -> None:
    """The directory exists. ConfigError if it can't be made."""
    try:
        service.state_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        text = f"[DEFAULT] state_path: {service.state_path}: {(error.strerror or '').lower()}"
        raise ConfigError([f"{text}; write a directory that can be made here"]) from error


def deployment(service: ServiceConfig) -> str:
    """Eight hexadecimal digits that are this deployment's for ever, made at the first call."""
    file = service.state_path / "deployment"
    if not file.exists():
        # Nobody else's: containers that share the directory have the same process IDs, too.
        fresh = file.with_suffix(f".{secrets.token_hex(8)}")
        with fresh.open("w") as draft:
            draft.write(secrets.token_hex(4))
            draft.flush()
            os.fsync(draft.fileno())
        try:
            file.hardlink_to(fresh)
        except FileExistsError:
            log.debug("deployment_made_by_another_process")
        finally:
            fresh.unlink()
    return file.read_text().strip()
