"""`abaca audit`: both directions, as a table and as JSON, changing nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner

from abaca.cli.main import main
from support.configuration import SINGLE, Options, configuration


def test_differences_of_this_host(tmp_path: Path, stored: Mapping[str, Options]) -> None:
    """What is there and nobody's, and whom nobody could ask; again it is the same."""
    backends = {
        "one": {**SINGLE, "fake_state_file": tmp_path / "one.json"},
        "two": {**SINGLE, "fake_fail": "inventory:BackendUnavailable:2"},
    }
    file = configuration(tmp_path, backends, **stored)
    (tmp_path / "one.json").write_text('{"strays": ["part-1"]}')
    argv = ["audit", "--pause", "0", "--config-file", str(file)]
    for _ in range(2):
        done = CliRunner().invoke(main, [*argv, "--format", "json"])
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert found == [
            {
                "backend": "one",
                "kind": "part",
                "resource_id": "part-1",
                "direction": "missing_in_ledger",
                "detail": "",
            },
            {
                "backend": "two",
                "kind": "backend",
                "resource_id": "node1@two",
                "direction": "not_asked",
                "detail": "injected in inventory",
            },
        ]
    done = CliRunner().invoke(main, argv)
    assert "missing_in_ledger" in done.stdout
    (tmp_path / "one.json").write_text("{}")
    file.write_text(file.read_text().replace("fake_fail", "# fake_fail"))
    assert CliRunner().invoke(main, argv).stdout.strip() == "none"
