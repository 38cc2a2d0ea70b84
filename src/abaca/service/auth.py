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
    from abaca.identity.login import Login

KEY_FILE = "token-keys"
"""In state_path; copied to every host that runs an API of this deployment."""


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
    raise ConfigError([f"[DEFAULT] auth_strategy: {api.auth_strategy} can't be used yet"])


def _login(config: Config, db: Database, say: Callable[[str], None]) -> Login:
    """The builtin identity; ``say`` gets the administrator's password if there was no user."""
    from abaca.identity.accounts import Accounts  # noqa: PLC0415 - same
    from abaca.identity.login import Login  # noqa: PLC0415
    from abaca.identity.passwords import Failures, Hasher  # noqa: PLC0415
    from abaca.identity.tokens import Tokens  # noqa: PLC0415

    hasher = Hasher()
    first = Accounts(db, hasher).first_start()
    if first is not None:
        say(
            f"abaca: made the first administrator: user {first.user.name}, project "
            f"{first.project.name}, password {first.password} (change it: abaca user set-password)"
        )
    tokens = Tokens(config.service.state_path / KEY_FILE, seconds=config.api.token_seconds)
    return Login(db, hasher, Failures(), tokens)
