"""Reading a network section's values: they are texts, lists or None, as configured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from oslo_config import cfg

Values = Mapping[str, object]


def with_defaults(options: Sequence[cfg.Opt], values: Values) -> dict[str, object]:
    """What is set, and the options' defaults for the rest."""
    given = {name: value for name, value in values.items() if value is not None}
    return {**{option.dest: option.default for option in options}, **given}


def text_of(values: Values, name: str) -> str:
    """The value as text; empty if it is not set."""
    value = values.get(name)
    return "" if value is None else str(value).strip()


def items_of(values: Values, name: str) -> list[str]:
    """The parts of a list, or of a text with commas, that are not empty."""
    value = values.get(name)
    if value is None:
        return []
    parts: Iterable[object] = value.split(",") if isinstance(value, str) else value  # type: ignore[assignment]
    return [text for text in (str(item).strip() for item in parts) if text]
