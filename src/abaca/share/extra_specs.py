"""What extra specs of share types mean and may hold. Pure functions over strings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from abaca.errors import BadRequest
from abaca.modes import DriverMode
from abaca.scheduler import specs as scheduling

DHSS = "driver_handles_share_servers"
DRIVER_MODE = "driver_mode"
DEFAULT_SHARE_NETWORK = "default_share_network"
AVAILABILITY_ZONES = "availability_zones"
SNAPSHOT = "snapshot_support"
FROM_SNAPSHOT = "create_share_from_snapshot_support"
REVERT = "revert_to_snapshot_support"
MOUNT_SNAPSHOT = "mount_snapshot_support"
MIN_SIZE = "provisioning:min_share_size"
MAX_SIZE = "provisioning:max_share_size"
REPLICATION = "replication_type"
ANY_MODE = "any"

REQUIRED = frozenset({DHSS})
SUPPORTS = (SNAPSHOT, FROM_SNAPSHOT, REVERT, MOUNT_SNAPSHOT)
"""Booleans that a type without them has as False."""
TENANT_VISIBLE = scheduling.TENANT_VISIBLE
"""What others than administrators see of a type: no refusal tells them of the rest either."""

_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "off", "n", "no"})
_KEY = re.compile(r"[A-Za-z0-9_.:-]{1,255}")
_REPLICATION_TYPES = ("readable", "writable", "dr")
MOST = 255


def checked(given: Mapping[str, object]) -> dict[str, str]:
    """The extra specs in their canonical form; `BadRequest` says which is wrong and what to give.

    Each by itself: `consistent` looks at them together.
    """
    return {key: _value(key, value) for key, value in given.items()}


def consistent(specs: Mapping[str, str]) -> None:
    """`BadRequest` unless a type may have exactly these together."""
    if DHSS not in specs:
        raise BadRequest(f"Extra spec {DHSS} is missing; give True or False.")
    mode = specs.get(DRIVER_MODE, ANY_MODE)
    if mode != ANY_MODE:
        right = str(DriverMode(mode).has_share_servers)
        if specs[DHSS] != right:
            raise BadRequest(
                f"Extra spec {DHSS}={specs[DHSS]} contradicts {DRIVER_MODE}={mode}:"
                f" give {DHSS}={right}, or {DRIVER_MODE}={ANY_MODE}."
            )
    if MIN_SIZE in specs and MAX_SIZE in specs and int(specs[MIN_SIZE]) > int(specs[MAX_SIZE]):
        raise BadRequest(
            f"Extra spec {MIN_SIZE}={specs[MIN_SIZE]} is more than {MAX_SIZE}={specs[MAX_SIZE]}."
        )


def is_true(value: object) -> bool:
    """Whether a value of an extra spec or capability says yes."""
    return _says_yes(str(value))


@lru_cache(256)
def _says_yes(text: str) -> bool:
    return text.strip().lower() in _TRUE


def _value(key: str, value: object) -> str:
    if not _KEY.fullmatch(key):
        raise BadRequest(
            f"Extra spec {key!r}: give a key of letters, digits, underscores, periods, colons and"
            " hyphens."
        )
    if not isinstance(value, str | bool) or not 1 <= len(str(value)) <= MOST:
        raise BadRequest(f"Extra spec {key}={value!r}: give a string of 1 to {MOST} characters.")
    text = str(value)
    if key in REQUIRED or key in SUPPORTS:
        return _boolean(key, text)
    if key == DRIVER_MODE:
        return _one_of(key, text, (*DriverMode, ANY_MODE))
    if key == REPLICATION:
        return _one_of(key, text, _REPLICATION_TYPES)
    if key in {MIN_SIZE, MAX_SIZE}:
        return _size(key, text)
    if key == AVAILABILITY_ZONES:
        return _zones(text)
    return text


def _boolean(key: str, text: str) -> str:
    said = text.strip().lower()
    if said not in _TRUE | _FALSE:
        raise BadRequest(f"Extra spec {key}={text!r}: give True or False.")
    return str(said in _TRUE)


def _one_of(key: str, text: str, values: tuple[str, ...]) -> str:
    if text not in values:
        raise BadRequest(f"Extra spec {key}={text!r}: give one of {', '.join(values)}.")
    return text


def _size(key: str, text: str) -> str:
    if not text.isdecimal() or int(text) < 1:
        raise BadRequest(f"Extra spec {key}={text!r}: give a positive whole number of GiB.")
    return str(int(text))


def _zones(text: str) -> str:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise BadRequest(
            f"Extra spec {AVAILABILITY_ZONES}={text!r}: give names of zones, separated by commas."
        )
    return ",".join(names)
