"""Which column of docs/share-networks.md each shipped network plugin stands for."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from abaca.config import load
from abaca.db import pools
from abaca.db.database import Database
from abaca.manager.reports import Reporter
from abaca.service.managers import make_backends
from share_networks.test_outcomes import DOC, PLUGINS
from support.configuration import MANAGED, configuration

HEAD = "Which of the last columns"
ASKED = "as these say"
LOGIN = {"auth_url": "http://127.0.0.1:9/v3", "username": "abaca", "password": "secret"}
# What each plugin needs in its section at least; nothing asks the address.
NEEDS = {"neutron": {**LOGIN, "owner_tag": "abaca-test"}, "nova": LOGIN}
VALUES = {
    "service_cidr": "10.254.0.0/16",
    "segmentation_ids": "2000-2999",
    "network_ids": "nova_net_id",
    "makes_networks": "false",
}


def rows() -> list[tuple[str, tuple[str, ...], str]]:
    """Plugin, options and column, read from the document."""
    lines = DOC.read_text().partition(HEAD)[2].split("\n\n")[1].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [
        (name.strip("`"), tuple(re.findall(r"`(\w+)`", said)), column)
        for name, said, column in cells
    ]


def test_every_plugin_is_there() -> None:
    """The document names each plugin that comes with Abaca, and no other."""
    shipped = {
        point.name
        for point in entry_points(group="abaca.network_plugins")
        if point.value.startswith("abaca.")
    }
    assert {name for name, _, _ in rows()} == shipped


@pytest.mark.parametrize(("plugin", "options", "column"), rows())
def test_what_is_reported(
    plugin: str, options: tuple[str, ...], column: str, tmp_path: Path, db: Database
) -> None:
    """A backend with it reports the IDs, and whether it makes networks, that its column says."""
    values = {name: VALUES[name] for name in options}
    net = {"network_plugin": plugin, **NEEDS.get(plugin, {}), **values}
    default = {"state_path": tmp_path}
    config = load([configuration(tmp_path, {"one": MANAGED}, DEFAULT=default, net=net)])
    Reporter(db=db, backends=make_backends(config, db)).report()
    with db.read() as tx:
        (pool,) = pools.every(tx)
    ids, makes = (("nova_net_id",), False) if column == ASKED else PLUGINS[column]
    assert (pool.network_ids, pool.makes_networks) == (set(ids), makes)
