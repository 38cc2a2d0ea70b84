"""Tokens: what they say is inside them, encrypted and signed; nothing is stored.

The keys are in a file that all API processes of the deployment share, one per
line, newest first: the first makes tokens, all of them open tokens. Rotating
adds one in front; a process sees the new file within seconds.
"""

from __future__ import annotations

import os
import secrets
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from abaca.errors import ConfigError, Unauthorized

KEY_FILE = "token-keys"
"""In the state path; copied to every host that runs an API of the deployment."""
KEPT_KEYS = 3
LOOK_SECONDS = 5.0
LONGEST_TOKEN = 2048


class Token(msgspec.Struct, frozen=True, array_like=True):
    """What a token says. Times are seconds since the epoch."""

    user_id: str
    project_id: str | None
    methods: tuple[str, ...]
    issued: float
    expires: float
    audit_id: str
    credential_id: str | None = None


class Tokens:
    """Makes and opens tokens; thread-safe. The file is made if it is missing."""

    def __init__(
        self, key_file: Path, *, seconds: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.seconds = seconds
        self._file = key_file
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = 0.0
        self._stamp: tuple[int, int] | None = None
        self._fernet: MultiFernet | None = None
        if not key_file.exists():
            rotate(key_file)
        self._keys()

    def make(
        self,
        user_id: str,
        project_id: str | None,
        methods: tuple[str, ...],
        *,
        credential_id: str | None = None,
        expires: float | None = None,
    ) -> tuple[str, Token]:
        """A new token, and what it says. ``expires``: not after this, whatever the lifetime."""
        now = self._clock()
        until = now + self.seconds
        token = Token(
            user_id=user_id,
            project_id=project_id,
            methods=methods,
            issued=now,
            expires=until if expires is None else min(until, expires),
            audit_id=secrets.token_urlsafe(16),
            credential_id=credential_id,
        )
        return self._keys().encrypt(msgspec.msgpack.encode(token)).decode(), token

    def open(self, text: str) -> Token:
        """What the token says; `Unauthorized` if it is none of ours or has expired."""
        if len(text) > LONGEST_TOKEN:
            raise Unauthorized("The token is not valid.")
        try:
            token = msgspec.msgpack.decode(self._keys().decrypt(text.encode()), type=Token)
        except (InvalidToken, msgspec.DecodeError, ValueError):
            raise Unauthorized("The token is not valid.") from None
        if token.expires <= self._clock():
            raise Unauthorized("The token has expired.")
        return token

    def _keys(self) -> MultiFernet:
        with self._lock:
            if self._fernet is None or time.monotonic() - self._looked > LOOK_SECONDS:
                self._looked = time.monotonic()
                about = self._file.stat()
                stamp = (about.st_mtime_ns, about.st_ino)
                if stamp != self._stamp or self._fernet is None:
                    self._fernet = MultiFernet([Fernet(key) for key in _read(self._file)])
                    self._stamp = stamp
            return self._fernet


def _read(file: Path) -> list[bytes]:
    """The keys; `ConfigError` if others can read them too."""
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ConfigError([f"{file}: others can read the token keys; chmod 600 {file}"])
    return file.read_bytes().split()


def rotate(file: Path) -> None:
    """Put a new key in front; the last two before it still open tokens."""
    old = _read(file) if file.exists() else []
    fresh = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(b"\n".join([Fernet.generate_key(), *old][:KEPT_KEYS]) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    if old:
        fresh.replace(file)
        return
    try:
        # Of two processes that start at once, the first one's keys stay.
        os.link(fresh, file)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
