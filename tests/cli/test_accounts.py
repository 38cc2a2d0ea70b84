"""`abaca bootstrap`, `abaca user` and `abaca project`, as an administrator uses them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from abaca.config import load
from abaca.service.state import open_database
from support.command import abaca as run
from support.configuration import Options, text_of
from support.databases import TABLES


class Cli:
    """Runs `abaca` with a configuration whose state is in a temporary directory."""

    def __init__(self, folder: Path, stored: Mapping[str, Options]) -> None:
        self.state = folder / "state"
        self.config = folder / "abaca.conf"
        self.config.write_text(text_of({"DEFAULT": {"state_path": self.state}, **stored}))

    def __call__(self, *argv: str, stdin: str = "", code: int = 0) -> str:
        """Standard output, or standard error if it was to fail."""
        done = run(*argv, "--config-file", str(self.config), stdin=stdin, code=code)
        return done.stderr if code else done.stdout

    def json(self, *argv: str, stdin: str = "") -> Any:
        """What it answers as JSON."""
        return json.loads(self(*argv, "--format", "json", stdin=stdin))

    def rows(self) -> str:
        """All that is in the database."""
        with (
            closing(open_database(load((self.config,), (), need_backends=False).service)) as db,
            db.read() as tx,
        ):
            return "".join(str(tx.execute(select(table)).all()) for table in TABLES)


@pytest.fixture
def abaca(tmp_path: Path, stored: Mapping[str, Options]) -> Cli:
    """The command."""
    return Cli(tmp_path, stored)


def test_bootstrap_once(abaca: Cli) -> None:
    """It prints a password that only it knows; a second time it refuses."""
    made = abaca.json("bootstrap")
    assert (made["user"], made["project"]) == ("admin", "admin")
    assert len(made["password"]) >= 20
    assert "already exists" in abaca("bootstrap", code=1)
    assert "'admin'" in abaca.rows()
    assert made["password"] not in abaca.rows()


def test_users_and_projects(abaca: Cli) -> None:
    """Made, listed with their roles, changed, refused where it would be wrong, removed."""
    abaca("bootstrap")
    project = abaca.json("project", "create", "red", "--description", "The reds")
    made = abaca.json("user", "create", "alice", "--project", "red", "--password-stdin",
                      stdin="long enough\n")  # fmt: skip
    assert "password" not in made
    assert len(abaca.json("user", "create", "bob")["password"]) >= 20
    assert "8 to" in abaca("user", "create", "eve", "--password-stdin", stdin="short\n", code=1)
    assert "no-such" in abaca("user", "create", "eve", "--project", "no-such", code=1)
    abaca("project", "grant", "red", "bob", "--role", "manager")
    roles = {item["name"]: item["roles"] for item in abaca.json("user", "list")}
    assert roles == {
        "admin": "admin in admin",
        "alice": "member in red",
        "bob": "manager in red",
    }
    abaca("project", "revoke", "red", "bob")
    abaca("user", "set-password", "alice", "--password-stdin", stdin="another one\n")
    abaca("user", "disable", "alice")
    enabled = {item["name"]: item["enabled"] for item in abaca.json("user", "list")}
    assert enabled == {"admin": True, "alice": False, "bob": True}
    abaca("user", "delete", "bob")
    assert "last administrator" in abaca("user", "delete", "admin", code=1)
    assert [item["name"] for item in abaca.json("project", "list")] == ["admin", "red"]
    abaca("project", "delete", project["id"])
    assert "red" in abaca("project", "delete", "red", code=1)


def test_keys_are_rotated(abaca: Cli) -> None:
    """Each rotation puts a key in front; three are kept, for nobody else to read."""
    for count in (1, 2, 3, 3):
        abaca("user", "rotate-keys")
        file = abaca.state / "token-keys"
        assert len(file.read_text().split()) == count
        assert file.stat().st_mode & 0o777 == 0o600
