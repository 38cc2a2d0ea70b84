"""Rules of the house that a reviewer would otherwise have to remember."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import abaca
from abaca import errors
from abaca.api import microversion

ROOT = Path(abaca.__file__).parent
TESTS = Path(__file__).parents[1]


def calls(root: Path) -> Iterator[tuple[Path, ast.Call]]:
    """Every call in every file below."""
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path, node


def test_no_shell() -> None:
    """Programs are run with argument lists: nothing asks for a shell."""
    found = [
        f"{path}:{call.lineno}"
        for root in (ROOT, TESTS)
        for path, call in calls(root)
        for keyword in call.keywords
        if keyword.arg == "shell"
        and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    ]
    found += [
        f"{path}:{call.lineno}"
        for root in (ROOT, TESTS)
        for path, call in calls(root)
        if ast.unparse(call.func) in {"os.system", "os.popen", "subprocess.getoutput"}
    ]
    assert not found


def test_our_own_code_is_not_mocked() -> None:
    """Fakes ship in src and run the real suites: no test patches Abaca."""
    found = []
    for path, call in calls(TESTS):
        name = ast.unparse(call.func)
        if name.endswith(("mock.patch", "patch.object", "MagicMock", "create_autospec")):
            found.append(f"{path}:{call.lineno}: {name}")
        if name == "monkeypatch.setattr" and "abaca" in ast.unparse(call):
            found.append(f"{path}:{call.lineno}: {name}")
    assert not found


def test_every_test_says_what_it_proves() -> None:
    """Each test function has a docstring."""
    found = [
        f"{path.relative_to(TESTS)}:{node.name}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert not found


def error_classes() -> list[type[errors.AbacaError]]:
    """The whole tree."""
    return [
        item
        for _, item in inspect.getmembers(errors, inspect.isclass)
        if issubclass(item, errors.AbacaError)
    ]


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.__name__)
def test_every_error_knows_its_answer(cls: type[errors.AbacaError]) -> None:
    """Status, kind and what a tenant is told are there, and the tree's drawing has the class."""
    assert 400 <= cls.status < 600
    assert cls.kind
    assert cls.generic.endswith((".", "again."))
    assert cls.__name__ in (errors.__doc__ or "")


FOREIGN = {"Exception", "BaseException", "RuntimeError", "ValueError", "OSError"}
OUTSIDE_THE_TREE = {
    "testing/power.py:PowerCut": "stands for a crash: no code may catch it as a failure",
}
"""Path and name: why it is no AbacaError."""


def test_errors_are_one_tree() -> None:
    """Every exception class of ours descends from the tree, but those listed."""
    found = {
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in sorted(ROOT.rglob("*.py"))
        if path != ROOT / "errors.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and {ast.unparse(base) for base in node.bases} & FOREIGN
    }
    assert found == set(OUTSIDE_THE_TREE)


def test_microversions_have_no_gap() -> None:
    """The published history is every version from the first to the last, once, in order."""
    versions = [version for version, _ in microversion.HISTORY]
    assert versions[0] == microversion.MIN
    assert versions[-1] == microversion.MAX
    assert [item.minor for item in versions] == list(range(versions[-1].minor + 1))


@pytest.mark.parametrize("group", ["abaca.share_drivers", "abaca.network_plugins"])
def test_entry_points_load(group: str) -> None:
    """Every driver and plugin that ships is importable under the name it has."""
    points = entry_points(group=group)
    assert {point.name: point.load().name for point in points} == {
        point.name: point.name for point in points
    }


BORDERS: dict[str, set[type[errors.AbacaError]]] = {
    "network": {errors.NetworkError, errors.DatabaseUnavailable},
    "drivers": {errors.DriverError, errors.NetworkError, errors.LinuxError, errors.ConfigError},
    "linux": {errors.LinuxError},
}
"""By package: what may be raised there by name. Drivers translate LinuxError at their border."""


def raised(path: Path) -> Iterator[str]:
    """Names of the classes that a file raises."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and node.exc is not None:
            called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            yield ast.unparse(called).rpartition(".")[2]


@pytest.mark.parametrize("package", sorted(BORDERS))
def test_only_its_own_errors_leave_a_package(package: str) -> None:
    """Plugins raise NetworkErrors, drivers DriverErrors, `abaca.linux` LinuxErrors."""
    known = {cls.__name__: cls for cls in error_classes()}
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in raised(path)
        if name in known and not issubclass(known[name], tuple(BORDERS[package]))
    ]
    assert not wrong
