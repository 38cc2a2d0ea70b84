"""Values of a standalone network section, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

from abaca.network.section import text_of


class Faults:
    """Collects lines, each with section and option."""

    def __init__(self, section: str) -> None:
        self._section = section
        self.lines: list[str] = []

    def add(self, option: str, text: str) -> None:
        """One fault of one option."""
        self.lines.append(f"[{self._section}] {option}: {text}")


def number(values: Mapping[str, object], name: str, found: Faults) -> int | None:
    """A whole number; None if it is not set, or a fault."""
    written = text_of(values, name)
    if not written:
        return None
    if not written.isdecimal():
        found.add(name, f"{written!r} is no whole number; write digits only")
        return None
    return int(written)


def truth(values: Mapping[str, object], name: str) -> bool:
    """Yes or no; no if it is not set."""
    return text_of(values, name).lower() in {"true", "1", "yes", "on"}
