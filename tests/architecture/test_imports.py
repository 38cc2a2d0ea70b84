"""Who may import whom: one direction, read from the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import abaca

ROOT = Path(abaca.__file__).parent
PURE = {"errors", "modes", "states", "context", "steps"}

ALLOWED: dict[str, set[str]] = {
    # Nothing of Abaca, or each other.
    "errors": set(),
    "modes": set(),
    "states": set(),
    "context": set(),
    "steps": set(),
    "logs": set(),
    "model": PURE,
    "db": PURE | {"model", "network.plugin", "network.ipam"},
    "linux": {"errors", "steps"},
    "scheduler": PURE | {"model", "db"},
    # What a process counts: known to all who have something to count.
    "observe.metrics": set(),
    "observe": PURE | {"model", "db"},
    "work": PURE | {"model", "db", "observe.metrics"},
    "share": PURE | {"model", "db", "scheduler", "work"},
    # The builtin identity: accounts and tokens, known to the API and to commands.
    "identity": PURE | {"model", "db"},
    "api.auth": PURE | {"api", "identity", "model", "db"},
    "api": PURE | {"network.plugin", "model", "db", "scheduler", "share", "observe"},
    # The contracts: plugins know theirs and pure helpers, drivers theirs and the helper's types.
    "network": {"errors", "modes", "steps"},
    "network.bound": {"errors", "modes", "steps", "db"},
    "network.locks": {"errors", "steps"},
    "drivers": {"errors", "modes", "steps", "network.helper", "network.plugin", "linux"},
    "drivers.driver": {"errors", "modes", "steps", "network.helper", "network.plugin"},
    "manager": PURE
    | {"model", "db", "work", "scheduler", "drivers.driver", "network.plugin", "network.bound"},
    "config": PURE | {"model", "network.plugin", "drivers.driver"},
    # A client: it knows the service by its API alone.
    "osc": set(),
    # The top: puts things together.
    "service": {"*"},
    "cli": {"*"},
    "wsgi": {"*"},
    "demo": {"*"},
    "testing": {"*"},
    "torture": {"*"},
}


IMPLEMENTATIONS = {
    "drivers": {"drivers.driver", "drivers.fabric"},
    "network": {"network.plugin", "network.helper", "network.ipam"}
    | {"network.credentials", "network.section"},
}
"""In these packages a file may import these, and those of its own implementation."""


def modules() -> list[Path]:
    """Every source file, but migrations (history, which nothing imports)."""
    return [
        path
        for path in sorted(ROOT.rglob("*.py"))
        if "migrations" not in path.relative_to(ROOT).parts
    ]


def name_of(path: Path) -> str:
    """``network.bound`` for ``src/abaca/network/bound.py``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """The modules of Abaca that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            found |= {_module(base, item.name) for item in node.names}
    return {item.removeprefix("abaca.") for item in found if item.startswith("abaca.")}


def _module(base: str, name: str) -> str:
    """``from abaca.db import shares`` imports a module; ``from abaca.steps import step`` a name."""
    path = ROOT.joinpath(*base.split(".")[1:], name)
    is_module = path.with_suffix(".py").exists() or path.is_dir()
    return f"{base}.{name}" if base.startswith("abaca") and is_module else base


def within(module: str, allowed: set[str]) -> bool:
    """True if the module, or a package that it is in, is allowed."""
    return "*" in allowed or any(
        module == item or module.startswith(f"{item}.") for item in allowed
    )


def rule_for(module: str) -> tuple[str, set[str]]:
    """The most specific entry of the table."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        key = ".".join(parts[:length])
        if key in ALLOWED:
            return key, ALLOWED[key]
    raise AssertionError(f"{module}: say in ALLOWED what it may import")


def own(module: str, rule: str) -> set[str]:
    """What a file may import of its own package."""
    package = module.split(".", maxsplit=1)[0]
    if package not in IMPLEMENTATIONS or rule == "network.bound":
        return {package}
    implementation = ".".join(module.split(".")[:2]).split("_")[0]
    siblings = {
        name_of(path)
        for path in modules()
        if name_of(path) == implementation
        or name_of(path).startswith((f"{implementation}.", f"{implementation}_"))
    }
    return IMPLEMENTATIONS[package] | siblings


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    """A file imports only what stands below it."""
    module = name_of(path)
    if not module:
        return
    rule, allowed = rule_for(module)
    wrong = {
        item
        for item in imports_of(path)
        if not within(item, allowed) and not within(item, own(module, rule))
    }
    assert not wrong, f"abaca.{module} may not import {sorted(wrong)}"


def test_the_table_is_not_stale() -> None:
    """Every entry of the table is a file or folder that exists."""
    missing = [
        name
        for name in ALLOWED
        if not (path := ROOT.joinpath(*name.split("."))).is_dir()
        and not path.with_suffix(".py").exists()
    ]
    assert not missing


def test_no_permission_lies_idle() -> None:
    """What a package may import beside the pure modules, some file of it does import."""
    used: dict[str, set[str]] = {}
    for path in modules():
        if module := name_of(path):
            used.setdefault(rule_for(module)[0], set()).update(imports_of(path))
    idle = [
        f"{name}: {item}"
        for name, allowed in ALLOWED.items()
        for item in allowed - PURE - {"*"}
        if not any(within(found, {item}) for found in used[name])
    ]
    assert not idle
