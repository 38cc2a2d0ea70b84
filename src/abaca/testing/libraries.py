"""Which libraries a plugin stands on, and which exceptions they have."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

PLUGINS = "abaca.network"
"""Where the plugins that come with Abaca are; a third party's package is its own."""
GIVEN = frozenset({"abaca", "oslo_config", "structlog"})
"""What comes with the contract, and the log: no verb calls them for their answers."""


def libraries(cls: type) -> set[str]:
    """Packages that the class's module imports, itself or by others of its own package.

    Python's and Abaca's are left out, and what the contract itself brings.
    """
    package = cls.__module__.partition(".")[0]
    own = PLUGINS if package == "abaca" else package
    found: set[str] = set()
    seen: set[str] = set()
    left = [cls.__module__]
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        for item in _imports(name):
            top = item.partition(".")[0]
            if f"{item}.".startswith(f"{own}."):
                left.append(item)
            elif top not in GIVEN and top not in sys.stdlib_module_names:
                found.add(top)
    return found


def _imports(name: str) -> Iterator[str]:
    """What a module imports, anywhere in it: modules, and names in them; nothing if it is none."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name(
                "." * node.level + (node.module or ""), spec.parent or None
            )
            yield base
            yield from (f"{base}.{item.name}" for item in node.names)


def exceptions_of(*packages: str) -> list[type[Exception]]:
    """Every exception class of these packages that is loaded; import what defines them first."""
    found = {
        cls
        for cls in _below(Exception)
        if cls.__module__.partition(".")[0] in packages and not issubclass(cls, Warning)
    }
    return sorted(found, key=lambda cls: f"{cls.__module__}.{cls.__qualname__}")


def instance(cls: type[Exception]) -> Exception:
    """One of them, whatever its constructor asks for."""
    try:
        return cls("injected")
    except (TypeError, AttributeError, ValueError, KeyError):
        made = cls.__new__(cls)
        Exception.__init__(made, "injected")
        return made


def _below(cls: type[BaseException]) -> Iterator[type[Exception]]:
    for item in cls.__subclasses__():
        if issubclass(item, Exception):
            yield item
            yield from _below(item)
