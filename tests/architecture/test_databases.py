"""Tests with a database have it on each kind of server: `make test-databases` passes none over."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
HAS_ONE = re.compile(
    r'\b(?:Database|open_database|ledger_world|serving|running)\(|\bsite: Any|"serve"'
)
"""A database is opened, or a service started that has one."""
OF_THE_RUN = re.compile(
    r"\b(?:stored|databases|database_url|empty_url|new_site):|\b(?:db|database): Database\b"
    r'|usefixtures\("databases"\)|mark\.every_database\b'
)
"""It is that of the run, or the test is run on each kind anyway."""
ELSEWHERE = {
    "cli/test_start_imports.py": "what a start on SQLite imports is listed",
    "conformance/test_defects.py": "the suites find them, whatever the plugins are stored in",
    "end_to_end/test_neutron_ovn.py": "what OVN wires",
    "keystone/test_keystone_tokens.py": "who is believed is not in the database",
    "service/test_https.py": "what is on the wire is not in the database",
}
"""Files whose tests have nothing to learn from another kind, and why."""
ON_SQLITE = {
    "config/test_config.py": "the default",
    "db/test_foreign_exceptions.py": "each kind's driver, by its URL",
    "db/test_migrate.py": "a file that another process writes to",
    "db/test_writers.py": "writers of other kinds do not take turns",
    "observe/test_health.py": "a copy of a migrated file saves migrating",
}
"""Files that say SQLite, in which all else is on each kind, and why."""


def written(pattern: str | re.Pattern[str]) -> set[str]:
    """The test files that have it."""
    found = (path for path in TESTS.rglob("test_*.py") if path != Path(__file__))
    return {str(path.relative_to(TESTS)) for path in found if re.search(pattern, path.read_text())}


def test_a_database_is_that_of_the_run() -> None:
    """A test file that has to do with one takes `stored`, `database_url` or the like."""
    assert written(HAS_ONE) - written(OF_THE_RUN) == set(ELSEWHERE)


def test_sqlite_is_not_said_without_a_reason() -> None:
    """A URL of SQLite in a test file is a test that is not run on the other kinds."""
    assert written("sqlite:///") == set(ON_SQLITE)
