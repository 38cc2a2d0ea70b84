"""`abaca network orphans` and `join`: what they say, and what they refuse."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import delete

from abaca.cli.main import main
from abaca.config import load
from abaca.db import services
from abaca.db import tables as t
from abaca.db.addresses import DatabaseLedger
from abaca.network.plugin import Claim, Label
from abaca.service.state import open_database
from support.configuration import FLAT, NET, Options, configuration


@pytest.fixture
def file(tmp_path: Path, stored: Mapping[str, Options]) -> Path:
    """Two backends on one flat network."""
    return configuration(tmp_path, {"one": FLAT, "two": FLAT}, net=NET, **stored)


def orphans(file: Path, *options: str) -> list[dict[str, str]]:
    """What the command finds."""
    argv = ["network", "orphans", "--format", "json", "--config-file", str(file), *options]
    done = CliRunner().invoke(main, argv)
    assert done.exit_code == 0, done.output
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


def test_an_address_of_nobody_is_told_once_and_removed(file: Path) -> None:
    """By its section's first backend; a young one stays; listing it changes nothing."""
    database = open_database(load((file,), ()).service)
    pair = (ip_address("10.10.0.10"), ip_address("10.10.0.20"))
    stray = Claim(owner="gone", label=Label.USER, subnet="net", index=0)
    try:
        DatabaseLedger(database).take("flat:net/4", [pair], [], [stray], rest_seconds=0)
    finally:
        database.close()
    time.sleep(0.01)
    found = {
        "backend": "one",
        "kind": "network",
        "what": "address 0 of share server gone",
        "state": "found",
    }
    assert orphans(file) == []
    for _ in range(2):
        assert orphans(file, "--older-than", "0") == [found]
    assert orphans(file, "--older-than", "0", "--repair") == [{**found, "state": "removed"}]
    assert orphans(file, "--older-than", "0") == []


def test_what_servers_of_nobody_may_use_is_kept(file: Path) -> None:
    """Addresses stay while any backend, here or elsewhere, may have servers of nobody."""
    world = file.with_name("two.json")
    world.write_text(
        '{"servers": {"v": {"addresses": []}}, '
        '"shares": {"s": {"server": "v", "size_gib": 1, "export_id": 9}}}'
    )
    text = file.read_text().replace("[net]", f"fake_state_file = {world}\n[net]")
    file.write_text(text)
    database = open_database(load((file,), ()).service)
    pair = (ip_address("10.10.0.10"), ip_address("10.10.0.20"))
    claim = Claim(owner="v", label=Label.USER, subnet="net", index=0)
    repair = ("--older-than", "0", "--repair")
    try:
        ledger = DatabaseLedger(database)
        ledger.take("flat:net/4", [pair], [], [claim], rest_seconds=0)
        kept = {item["kind"]: item["state"].split()[0] for item in orphans(file, *repair)}
        assert kept == {"share server": "kept:", "share": "kept:", "network": "kept:"}
        with database.write() as tx:
            services.seen(tx, "node2@b9", "nova")
        gone = {item["kind"]: item["state"] for item in orphans(file, *repair, "--data")}
        assert (gone["share server"], gone["share"]) == ("removed", "removed")
        assert "node2@b9" in gone["network"]
        assert ledger.held([claim])
        with database.write() as tx:
            tx.execute(delete(t.services))
        assert [item["state"] for item in orphans(file, *repair)] == ["removed"]
        assert not ledger.held([claim])
    finally:
        database.close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["orphans", "--data"], "--repair"),
        (["join", "net"], "either --netns NAMESPACE or --bridge BRIDGE"),
        (["join", "net", "--netns", "a", "--bridge", "b"], "either --netns"),
        (["leave", "net"], "either --netns"),
    ],
)
def test_half_an_order_is_refused(file: Path, words: list[str], message: str) -> None:
    """It says what to write, and does nothing."""
    done = CliRunner().invoke(main, ["network", *words, "--config-file", str(file)])
    assert done.exit_code == 2
    assert message in done.output
    assert not (file.parent / "state").exists()
