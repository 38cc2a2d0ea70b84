"""The three driver modes, and what each needs. Set by the administrator, never guessed."""

from __future__ import annotations

from enum import StrEnum


class DriverMode(StrEnum):
    """Who owns share servers and connectivity of a backend."""

    SINGLE = "single_svm"
    FLAT = "flat_multi_svm"
    MANAGED = "managed_multi_svm"

    @property
    def has_share_servers(self) -> bool:
        """What the API calls ``driver_handles_share_servers``."""
        return self is not DriverMode.SINGLE


MULTI_MODES = frozenset({DriverMode.FLAT, DriverMode.MANAGED})
"""The modes that need a network section, and get a helper."""
