"""The tutorial on network plugins: its pieces are the example, and its commands work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "abaca-static-file"
TUTORIAL = (ROOT / "docs" / "write-a-network-plugin.md").read_text()
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ETC = "/etc/abaca/"


def files() -> dict[str, str]:
    """What the tutorial says is in each file, its pieces put together."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for _, name, text in BLOCK.findall(TUTORIAL):
        if name:
            found[name].append(text)
    return {name: "\n\n".join(pieces) for name, pieces in found.items()}


def commands() -> list[tuple[list[str], list[str]]]:
    """Each command, and lines that its output has."""
    found: list[tuple[list[str], list[str]]] = []
    for language, _, text in BLOCK.findall(TUTORIAL):
        for line in text.splitlines() if language == "console" else ():
            if line.startswith("$ "):
                found.append((line.split()[1:], []))
            else:
                found[-1][1].append(line)
    return found


def written(text: str) -> list[str]:
    """The lines that say something."""
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    "name", ["pyproject.toml", "abaca_static_file.py", "tests/test_conformance.py"]
)
def test_the_pieces_are_the_example(name: str) -> None:
    """Whoever types the tutorial has the example's files, and nothing is missing in it."""
    assert written(files()[name]) == written((EXAMPLE / name).read_text())


def test_the_commands_work(tmp_path: Path) -> None:
    """The package that the tutorial makes installs; Abaca finds it, and it passes the suite."""
    package, etc, target = tmp_path / "package", tmp_path / "etc", tmp_path / "installed"
    for name, text in files().items():
        file = etc / name.removeprefix(ETC) if name.startswith(ETC) else package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace(ETC.rstrip("/"), str(etc)))
    programs = {
        # Beside what is installed, and without asking any index.
        "pip": [
            *("-m", "pip", "--disable-pip-version-check", "install", "--no-index"),
            *("--no-deps", "--no-build-isolation", "--target", str(target)),
        ],
        "abaca": [str(Path(sys.executable).with_name("abaca"))],
        "pytest": ["-m", "pytest", "-q", "-p", "no:cacheprovider"],
    }
    assert [argv[0] for argv, _ in commands()] == ["pip", "abaca", "abaca", "pytest"]
    for argv, expected in commands():
        rest = argv[2:] if argv[0] == "pip" else argv[1:]
        done = subprocess.run(
            [sys.executable, *programs[argv[0]], *(item.replace(ETC, f"{etc}/") for item in rest)],
            cwd=package,
            env={**os.environ, "PYTHONPATH": str(target)},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        said = done.stdout.replace(str(etc), ETC.rstrip("/"))
        assert done.returncode == 0, f"{argv}: {said}{done.stderr}"
        lines = [line.strip() for line in said.splitlines()]
        assert [line for line in expected if line not in lines] == [], said
