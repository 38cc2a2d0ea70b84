"""Values of a configuration section as types."""

from __future__ import annotations

from collections.abc import Mapping


def text(values: Mapping[str, object], name: str) -> str | None:
    """A string, or None if it is unset or empty."""
    value = values.get(name)
    return str(value).strip() or None if value is not None else None


def texts(values: Mapping[str, object], name: str) -> list[str]:
    """A list of strings; one string is split at its commas."""
    value = values.get(name)
    if not value:
        return []
    items = value if isinstance(value, list | tuple) else str(value).split(",")
    return [str(item).strip() for item in items if str(item).strip()]


def number(values: Mapping[str, object], name: str, default: float) -> float:
    """A number, or the default if it is unset."""
    value = values.get(name)
    return default if value is None else float(str(value))
