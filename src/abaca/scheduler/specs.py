"""Extra-spec matching: operators and scopes, as administrators know them from the API.

A value is an operator and a word: ``= 5`` and ``>= 5`` (at least), ``<=``, ``==``
and ``!=`` on numbers; ``s==``, ``s!=``, ``s<``, ``s<=``, ``s>``, ``s>=`` on strings;
``<is>`` on booleans; ``<in>`` (contains); ``<or> a <or> b``. Without operator it is
equality. A key is scoped ``capabilities:NAME`` or has no scope; keys of other
scopes concern somebody else.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from abaca.scheduler.driver_mode import CONSUMED, boolean

Value = str | bool | float | tuple[str, ...]

_NUMBERS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_STRINGS: Mapping[str, Callable[[str, str], bool]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s>=": operator.ge,
    "s>": operator.gt,
    "s<=": operator.le,
    "s<": operator.lt,
}
ZONES_SPEC = "availability_zones"
OFFERS = frozenset(
    {
        "snapshot_support",
        "create_share_from_snapshot_support",
        "revert_to_snapshot_support",
        "mount_snapshot_support",
    }
)
"""What shares of a type offer. Where false, a backend that could do it will do, too."""
TENANT_VISIBLE = (
    CONSUMED
    | OFFERS
    | {
        ZONES_SPEC,
        "replication_type",
        "provisioning:min_share_size",
        "provisioning:max_share_size",
    }
)
"""What others than administrators see of a type."""


def capabilities_asked(extra_specs: Mapping[str, str]) -> dict[str, str]:
    """The specs that the capability filter looks at, without their scope."""
    asked = {}
    for key, wanted in extra_specs.items():
        scope, _, name = key.rpartition(":")
        if scope not in {"", "capabilities"} or (not scope and name in CONSUMED | {ZONES_SPEC}):
            continue
        if name in OFFERS and boolean(wanted) is False:
            continue
        asked[name] = wanted
    return asked


def is_shown(extra_specs: Mapping[str, str], name: str) -> bool:
    """True if tenants see what the type asks of this capability, which may be said in scope."""
    in_scope = f"capabilities:{name}" in extra_specs
    return name in TENANT_VISIBLE and name in extra_specs and not in_scope


def zones_asked(extra_specs: Mapping[str, str]) -> frozenset[str]:
    """The zones that the type is limited to; empty if it is not."""
    names = extra_specs.get(ZONES_SPEC, "").split(",")
    return frozenset(name.strip() for name in names if name.strip())


def satisfies(value: Value | None, wanted: str) -> bool:
    """True if what a pool reports is what the spec asks; what it does not report never is."""
    if value is None:
        return False
    if isinstance(value, tuple):
        return any(satisfies(item, wanted) for item in value)
    word, _, rest = wanted.strip().partition(" ")
    rest = rest.strip()
    if word in _STRINGS:
        return _STRINGS[word](str(value), rest)
    if word in _NUMBERS:
        left, right = _number(value), _number(rest)
        return left is not None and right is not None and _NUMBERS[word](left, right)
    if word in _WORDS:
        return _WORDS[word](value, rest)
    return _equal(value, wanted.strip())


def _equal(value: str | bool | float, wanted: str) -> bool:
    if isinstance(value, bool):
        return boolean(wanted) is value
    if isinstance(value, float | int):
        return _number(wanted) == value
    return str(value) == wanted


def _number(value: Value) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


_WORDS: Mapping[str, Callable[[str | bool | float, str], bool]] = {
    "<is>": lambda value, rest: boolean(rest) is not None and boolean(str(value)) is boolean(rest),
    "<in>": lambda value, rest: rest in str(value),
    "<or>": lambda value, rest: any(_equal(value, item.strip()) for item in rest.split("<or>")),
}
