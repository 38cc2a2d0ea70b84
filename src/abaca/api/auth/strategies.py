"""Makes the configured strategy; imports nothing that it does not need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from abaca.api.auth import Authenticator
from abaca.api.settings import ApiSettings
from abaca.db.database import Database
from abaca.errors import ConfigError

STRATEGIES = ("builtin", "keystone", "http_basic", "none")
KEY_FILE = "token-keys"
"""Below the state path; shared by all API processes of the deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """What the strategies need to know of the configuration."""

    strategy: str
    key_file: Path
    token_seconds: int = 3600
    none_project_id: str = "default"
    none_user_id: str = "anonymous"
    none_role: str = "member"
    keystone: Mapping[str, object] = field(default_factory=dict, repr=False)


def make_authenticator(
    auth: AuthSettings, settings: ApiSettings, database: Database
) -> Authenticator:
    """The authenticator of the strategy; `ConfigError` if there is no such strategy."""
    if auth.strategy == "none":
        from abaca.api.auth.none import NoAuth  # noqa: PLC0415 - only where configured

        return NoAuth(
            project_id=auth.none_project_id, user_id=auth.none_user_id, role=auth.none_role
        )
    if auth.strategy == "keystone":
        from abaca.api.auth.keystone import Keystone  # noqa: PLC0415 - same

        return Keystone(auth.keystone)
    if auth.strategy in {"builtin", "http_basic"}:
        return _own(auth, settings, database)
    raise ConfigError([f"auth_strategy = {auth.strategy}: write one of {', '.join(STRATEGIES)}"])


def _own(auth: AuthSettings, settings: ApiSettings, database: Database) -> Authenticator:
    from abaca.api.auth.builtin import Builtin  # noqa: PLC0415 - only where configured
    from abaca.api.auth.http_basic import HttpBasic  # noqa: PLC0415 - same
    from abaca.identity.login import Login  # noqa: PLC0415 - same
    from abaca.identity.passwords import Failures, Hasher  # noqa: PLC0415 - same
    from abaca.identity.tokens import Tokens  # noqa: PLC0415 - same

    tokens = Tokens(auth.key_file, seconds=auth.token_seconds)
    login = Login(database, Hasher(), Failures(), tokens)
    if auth.strategy == "http_basic":
        return HttpBasic(login, settings, database)
    return Builtin(login, settings, database)
