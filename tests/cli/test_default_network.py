"""The default share network from the command line, and the option that is read on SIGHUP."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert

from abaca.cli.main import main
from abaca.config import load
from abaca.db.tables import new_id, now, share_networks
from abaca.service.state import open_database
from abaca.testing.wait import until
from support.command import ABACA
from support.configuration import SINGLE, Options, configuration
from support.serving import running

SECONDS = 60


@pytest.fixture
def file(tmp_path: Path, stored: Mapping[str, Options]) -> Path:
    """A configuration with ``default_share_network = first``, where everybody is administrator."""
    default = {
        "log_format": "json",
        "auth_strategy": "none",
        "none_role": "admin",
        "default_share_network": "first",
    }
    return configuration(tmp_path, {"one": SINGLE}, DEFAULT=default, **stored)


def abaca(file: Path, *words: str) -> Result:
    """Run `abaca network default`."""
    return CliRunner().invoke(main, ["network", "default", *words, "--config-file", str(file)])


def shown(file: Path) -> dict[str, object]:
    """What `show` says."""
    done = abaca(file, "show", "--format", "json")
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.output)
    return found


def test_show_set_and_unset(file: Path) -> None:
    """The configuration's word comes first; without it the designated one, by name or ID."""
    before = shown(file)
    assert (before["source"], before["usable"]) == ("configuration", False)
    assert "first of the configuration names no share network" in str(before["fault"])
    database = open_database(load((file,), ()).service)
    ids = {name: new_id() for name in ("lab", "private")}
    with database.write() as tx:
        for name, network_id in ids.items():
            tx.execute(
                insert(share_networks).values(
                    id=network_id,
                    project_id="ops",
                    name=name,
                    status="active",
                    is_public=name == "lab",
                    created_at=now(),
                )
            )
    database.close()
    file.write_text(file.read_text().replace("default_share_network = first", ""))
    assert shown(file)["source"] is None
    for name_or_id in ("lab", ids["lab"]):
        assert ids["lab"] in abaca(file, "set", name_or_id).output
    after = shown(file)
    assert (after["source"], after["share_network_id"]) == ("designated", ids["lab"])
    assert "not public" in abaca(file, "set", ids["private"]).output
    assert abaca(file, "set", "nonsense").exit_code == 1
    for _ in range(2):
        assert abaca(file, "unset").exit_code == 0
    assert shown(file)["source"] is None


@pytest.fixture(params=["serve", "api"])
def service(file: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A running `abaca serve`, or `abaca api`."""
    argv = [ABACA, request.param, "--config-file", str(file)]
    with running(argv, log_of(file)) as process:
        yield process


def log_of(file: Path) -> Path:
    """What it says besides."""
    return file.with_name("log")


def configured(url: str) -> object:
    """What the running service holds for the configuration's default."""
    with urllib.request.urlopen(f"{url}/v2/share-networks/default", timeout=60) as answer:  # noqa: S310
        said = json.load(answer)["default_share_network"]["sources"]
    return {item["source"]: item["value"] for item in said}["configuration"]


def test_the_option_changes_live(file: Path, service: subprocess.Popen[str]) -> None:
    """SIGHUP reads it again; a file with faults changes nothing; it still stops cleanly."""
    assert service.stdout is not None
    found = (re.search(r"listening on (http\S+)", line) for line in service.stdout)
    url = next(match[1] for match in found if match)
    assert configured(url) == "first"

    def change(old: str, new: str) -> None:
        file.write_text(file.read_text().replace(old, new))
        service.send_signal(signal.SIGHUP)

    change("= first", "= second")
    until(lambda: configured(url) == "second", "the option is read again")
    change("= second", "= third\nlisten_prt = 1")
    log = log_of(file)
    until(lambda: "configuration_not_reloaded" in log.read_text(), "the fault is told")
    assert configured(url) == "second"
    service.send_signal(signal.SIGTERM)
    assert service.wait(SECONDS) == 0
    events = {item["event"]: item for item in map(json.loads, log.read_text().splitlines())}
    assert events["configuration_reloaded"]["changed"] == ["default_share_network"]
    (fault,) = events["configuration_not_reloaded"]["faults"]
    assert "listen_prt" in fault
