"""Sizes: a file for one noun, a function for one thought. Exceptions have a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import abaca

ROOT = Path(abaca.__file__).parent
FILE_LINES = 500
FUNCTION_LINES = 40

LONG_FILES: dict[str, str] = {}
"""Path below src/abaca: why it is longer."""

LONG_FUNCTIONS: dict[str, str] = {}
"""Path and name: why it is longer."""


def sources() -> list[Path]:
    """Every file but migrations, which are statements in a row, written once."""
    return [path for path in sorted(ROOT.rglob("*.py")) if "migrations" not in path.parts]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length of each function, decorators and docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[0]
        doc = 0
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            doc = (first.end_lineno or first.lineno) - first.lineno + 1
        yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1 - doc


def test_files_stay_short() -> None:
    """No file has more than 500 lines, but those listed; the list is not stale."""
    long = {
        str(path.relative_to(ROOT))
        for path in sources()
        if len(path.read_text().splitlines()) > FILE_LINES
    }
    assert long == set(LONG_FILES)


def test_functions_stay_short() -> None:
    """No function has more than 40 lines, but those listed; the list is not stale."""
    long = {
        f"{path.relative_to(ROOT)}:{name}"
        for path in sources()
        for name, length in functions(path)
        if length > FUNCTION_LINES
    }
    assert long == set(LONG_FUNCTIONS)


def test_every_exception_has_a_reason() -> None:
    """An exception without a reason is a hole."""
    assert all(LONG_FILES.values())
    assert all(LONG_FUNCTIONS.values())
