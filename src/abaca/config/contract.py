"""Whether a class keeps the version of the network-plugin contract that this Abaca has."""

from __future__ import annotations

import re

from abaca.network.plugin import CONTRACT_VERSION, NetworkPlugin

REQUIRED = frozenset(
    name
    for name in (*NetworkPlugin.__annotations__, *vars(NetworkPlugin))
    if not name.startswith("_")
)


def misfit(found: object) -> str:
    """Why it can't be used as a network plugin; empty if it can.

    A plugin may say in ``contract`` for which version it is written. Of the same first
    number a later version only adds what is optional.
    """
    if lacking := sorted(name for name in REQUIRED if not hasattr(found, name)):
        return f"it lacks {', '.join(lacking)}"
    text = str(getattr(found, "contract", CONTRACT_VERSION))
    if not re.fullmatch(r"\d+\.\d+", text):
        return f"its contract = {text!r} is no version, as {CONTRACT_VERSION!r} is"
    theirs, ours = _numbers(text), _numbers(CONTRACT_VERSION)
    if theirs[0] == ours[0] and theirs <= ours:
        return ""
    which = "another Abaca" if theirs > ours else "a newer release of it"
    return (
        f"it is written for version {text} of the plugin contract, and this Abaca has "
        f"{CONTRACT_VERSION}; install {which}"
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
