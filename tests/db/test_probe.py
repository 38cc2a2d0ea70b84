"""A database that can't be used is named before anything starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from abaca.db import probe
from support.command import abaca
from support.configuration import SINGLE, configuration


@pytest.mark.every_database
def test_a_database_that_answers_has_no_fault(empty_url: str) -> None:
    """It need not have tables yet."""
    assert probe.faults(empty_url) == []


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "mysql+pymysql", "mariadb"])
def test_a_server_that_does_not_answer(scheme: str) -> None:
    """One line with the URL, but without the password."""
    (line,) = probe.faults(f"{scheme}://abaca:hush@127.0.0.1:1/abaca")
    assert line.startswith("[database] connection: ")
    assert "abaca:***@127.0.0.1:1/abaca does not answer: " in line
    assert "refused" in line
    assert "hush" not in line


def test_a_driver_that_is_missing() -> None:
    """Says what to install."""
    program = (
        "import sys; sys.modules['psycopg'] = None; from abaca.db import probe; "
        "print(*probe.faults('postgresql://127.0.0.1:1/abaca'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert "not installed; pip install 'abaca[postgresql]'" in done.stdout


def test_config_check_asks_the_database(tmp_path: Path) -> None:
    """Exit code 1, and the fault on stderr."""
    elsewhere = {"connection": "postgresql://127.0.0.1:1/abaca"}
    file = configuration(tmp_path, {"one": SINGLE}, database=elsewhere)
    done = abaca("config", "check", "--config-file", str(file), code=1)
    assert "does not answer" in done.stderr
