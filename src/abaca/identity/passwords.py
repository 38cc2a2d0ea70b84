"""Passwords: hashed with Argon2id, a few at a time, and guessed only slowly."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property

import argon2
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from abaca.errors import ServiceUnavailable, TooManyRequests

AT_ONCE = 2
"""Each hash takes a core for some 30 ms: more at once would starve the API."""
PASSES, KIBIBYTES, LANES = 2, 19 * 1024, 1
"""OWASP's recommendation for Argon2id. Clients log in for each command, so it is not higher."""
WAIT_SECONDS = 10
FREE_FAILURES = 5
WINDOW_SECONDS = 300
LONGEST_SECONDS = 60
MOST_REMEMBERED = 10_000
KNOWN_SECONDS = 60


class Hasher:
    """Hashes and checks secrets; thread-safe."""

    def __init__(self, *, cheap: bool = False) -> None:
        """``cheap`` is for tests that are about something else."""
        self._argon2 = (
            PasswordHasher.from_parameters(argon2.profiles.CHEAPEST)
            if cheap
            else PasswordHasher(PASSES, KIBIBYTES, LANES)
        )
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    @cached_property
    def _nobody(self) -> str:
        """Checked where there is no such user, so that the time taken doesn't tell."""
        return self.hash(secrets.token_hex())

    def hash(self, secret: str) -> str:
        """What to store."""
        with _Turn(self._turns):
            return self._argon2.hash(secret)

    def check(self, stored: str | None, secret: str) -> bool:
        """Whether it is the secret; takes as long where nothing is stored."""
        # Made at the first check, whoever it is of, and not at the start of the service.
        nobody = self._nobody
        with _Turn(self._turns):
            try:
                right = self._argon2.verify(stored or nobody, secret)
            except (VerificationError, InvalidHashError):
                return False
        return right and stored is not None


class _Turn:
    """Waits for one of the few places; 503 if that takes too long."""

    def __init__(self, turns: threading.BoundedSemaphore) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        if not self._turns.acquire(timeout=WAIT_SECONDS):
            raise ServiceUnavailable("too many passwords to check at a time")

    def __exit__(self, *_: object) -> None:
        self._turns.release()


class Failures:
    """Counts wrong secrets by user and address, and makes guessers wait. Thread-safe.

    The first few in five minutes cost nothing; each further one doubles the
    wait, up to a minute. Counted by each API process for itself.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def check(self, user: str, address: str) -> None:
        """`TooManyRequests` while this user must wait at this address."""
        with self._lock:
            count, last = self._seen.get((user, address), (0, 0.0))
        if count < FREE_FAILURES:
            return
        wait = min(2.0 ** (count - FREE_FAILURES), LONGEST_SECONDS)
        left = last + wait - self._clock()
        if left > 0:
            raise TooManyRequests(
                "Too many failed attempts; wait before the next.", retry_after=int(left) + 1
            )

    def failed(self, user: str, address: str) -> None:
        """Count one."""
        key, now = (user, address), self._clock()
        with self._lock:
            count, last = self._seen.pop(key, (0, now))
            self._seen[key] = (count + 1 if now - last < WINDOW_SECONDS else 1, now)
            if len(self._seen) > MOST_REMEMBERED:
                self._seen.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        """Forget."""
        with self._lock:
            self._seen.pop((user, address), None)


class Known:
    """Remembers for a minute that a secret was right, without remembering it.

    For HTTP basic authentication, which sends it with every request. The stored
    hash is part of the key: a changed password is checked anew. Thread-safe.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = secrets.token_bytes(32)
        self._clock = clock
        self._lock = threading.Lock()
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def __contains__(self, pair: tuple[str, str]) -> bool:
        """Whether this (stored hash, secret) was right a moment ago."""
        with self._lock:
            return self._until.get(self._digest(pair), 0.0) > self._clock()

    def add(self, pair: tuple[str, str]) -> None:
        """It was right."""
        with self._lock:
            self._until[self._digest(pair)] = self._clock() + KNOWN_SECONDS
            if len(self._until) > MOST_REMEMBERED:
                self._until.popitem(last=False)

    def _digest(self, pair: tuple[str, str]) -> bytes:
        return hmac.digest(self._key, "\0".join(pair).encode(), hashlib.sha256)
