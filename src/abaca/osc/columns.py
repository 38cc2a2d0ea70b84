"""Lists within an answer: a line each for people, as they are for programs."""

from __future__ import annotations

from typing import Any

from cliff.columns import FormattableColumn


class Backends(FormattableColumn[list[dict[str, Any]]]):
    """Backends that were considered, best first, and why each would not do."""

    def human_readable(self) -> str:
        """``node1@one#main: fits``."""
        return "\n".join(_backend(item) for item in self._value)


def _backend(item: dict[str, Any]) -> str:
    # Hosts are for administrators.
    name = item["host"] or f"{item['driver_mode']} in {item['availability_zone']}"
    return f"{name}: {'fits' if item['fits'] else item['reason']}"


class Sources(FormattableColumn[list[dict[str, Any]]]):
    """What each source of the default says, the one that decides first."""

    def human_readable(self) -> str:
        """``configuration: net``."""
        return "\n".join(f"{item['source']}: {item['value'] or '-'}" for item in self._value)
