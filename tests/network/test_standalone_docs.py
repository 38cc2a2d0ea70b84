"""What docs/network-plugins/standalone.md shows is what the plugin does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from abaca.cli.main import main
from abaca.config import load
from abaca.db.foreign_addresses import ForeignAddresses
from abaca.network.standalone import StandalonePlugin
from abaca.service import address_pools, foreign_addresses
from abaca.service.state import open_database
from support.configuration import Options, text_of

TEXT = (Path(__file__).parents[2] / "docs/network-plugins/standalone.md").read_text()
EXAMPLES = re.findall(r"```ini\n(.*?)```", TEXT, re.DOTALL)
BACKEND = """
[DEFAULT]
enabled_share_backends = cluster1
[cluster1]
share_driver = linux
driver_mode = flat_multi_svm
network_config_group = flat1
storage_path = /srv/abaca/cluster1
bridge_mappings = flat:br-flat1
"""


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_right(example: str, tmp_path: Path) -> None:
    """`abaca config check` has nothing against any of them; a lone section gets a backend."""
    file = tmp_path / "abaca.conf"
    whole = example if "[DEFAULT]" in example else BACKEND + example
    file.write_text(whole.replace("[DEFAULT]", f"[DEFAULT]\nstate_path = {tmp_path}/state"))
    done = CliRunner().invoke(main, ["config", "check", "--offline", "--config-file", str(file)])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "no faults"


def test_every_option_is_there() -> None:
    """The table has each of them, and none that is not."""
    table = TEXT.partition("## Options")[2]
    first_cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == {option.dest for option in StandalonePlugin.options}


def test_every_command_is_there() -> None:
    """Commands that are shown exist."""
    for words in set(re.findall(r"abaca ((?:network|config)(?: [a-z]+)+)", TEXT)):
        found = main.get_command(None, words.split()[0])  # type: ignore[arg-type]
        for word in words.split()[1:]:
            children = getattr(found, "commands", {})
            if not children:
                break
            assert word in children, words
            found = children[word]


def test_the_list_can_be_imported(tmp_path: Path, stored: Mapping[str, Options]) -> None:
    """The example of a list fits the example of a network."""
    file = tmp_path / "abaca.conf"
    text = BACKEND.replace("[DEFAULT]", f"[DEFAULT]\nstate_path = {tmp_path}/state")
    file.write_text(f"{text}{EXAMPLES[-2]}\n{text_of(stored)}")
    listed = re.search(r"```\n(# what the site has.*?)```", TEXT, re.DOTALL)
    assert listed is not None
    config = load((file,), ())
    database = open_database(config.service)
    try:
        pools = address_pools.pools_of(config, database, "flat1")
        store = ForeignAddresses(database)
        assert foreign_addresses.keep_out(store, pools, listed[1], who="x") == 23
        assert foreign_addresses.let_in(store, pools, ["10.10.0.14-10.10.0.16"]) == 3
    finally:
        database.close()
