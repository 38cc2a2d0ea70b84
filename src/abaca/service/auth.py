"""Who says who is asking, as configured. Only that strategy is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from abaca.api.auth import Authenticator
from abaca.api.settings import ApiSettings
from abaca.config import AuthStrategy, Config
from abaca.db.database import Database
from abaca.errors import ConfigError

if TYPE_CHECKING:
    from abaca.api.auth.keystone import Keystone
    from abaca.identity.login import Login


def make_authenticator(
    config: Config, settings: ApiSettings, db: Database, say: Callable[[str], None]
) -> Authenticator:
    """The configured strategy. ``say``: see `_login`."""
    api = config.api
    match api.auth_strategy:
        case AuthStrategy.NONE:
            from abaca.api.auth.none import NoAuth  # noqa: PLC0415 - only what is configured

            return NoAuth(
                project_id=api.none_project_id, user_id=api.none_user_id, role=api.none_role
            )
        case AuthStrategy.BUILTIN:
            from abaca.api.auth.builtin import Builtin  # noqa: PLC0415 - same

            return Builtin(_login(config, db, say), settings, db)
        case AuthStrategy.HTTP_BASIC:
            from abaca.api.auth.http_basic import HttpBasic  # noqa: PLC0415 - same

            return HttpBasic(_login(config, db, say), settings, db)
        case AuthStrategy.KEYSTONE:
            return _keystone(config)


def keystone_findings(config: Config) -> list[str]:
    """What keeps Abaca from working with the configured Keystone; asks it."""
    if config.api.auth_strategy is not AuthStrategy.KEYSTONE:
        return []
    try:
        return _keystone(config).findings()
    except ConfigError as error:
        return error.faults


def _keystone(config: Config) -> Keystone:
    """ConfigError where keystonemiddleware is not installed, or refuses its options."""
    try:
        from abaca.api.auth.keystone import Keystone  # noqa: PLC0415 - same
    except ImportError as error:
        text = "keystone needs the package keystonemiddleware: pip install 'abaca[keystone]'"
        raise ConfigError([f"[DEFAULT] auth_strategy: {text}"]) from error
    try:
        return Keystone(config.api.keystone)
    except Exception as error:  # it has no error class of its own for this
        raise ConfigError([f"[keystone_authtoken]: {error}"]) from error


def _login(config: Config, db: Database, say: Callable[[str], None]) -> Login:
    """The builtin identity; ``say`` gets the administrator's password if there was no user."""
    from abaca.identity.accounts import Accounts  # noqa: PLC0415 - same
    from abaca.identity.login import Login  # noqa: PLC0415
    from abaca.identity.passwords import Failures, Hasher  # noqa: PLC0415
    from abaca.identity.tokens import KEY_FILE, Tokens  # noqa: PLC0415

    hasher = Hasher()
    first = Accounts(db, hasher).first_start()
    if first is not None:
        say(
            f"abaca: made the first administrator: user {first.user.name}, project "
            f"{first.project.name}, password {first.password} (change it: abaca user set-password)"
        )
    tokens = Tokens(config.service.state_path / KEY_FILE, seconds=config.api.token_seconds)
    return Login(db, hasher, Failures(), tokens)
