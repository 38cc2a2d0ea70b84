"""The written contract, and plugins of other versions of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from abaca.config.contract import REQUIRED, misfit
from abaca.network import plugin
from abaca.network.fake import FakePlugin
from abaca.testing.kinds import Capability, Kind
from support.command import abaca
from support.configuration import FLAT, configuration
from support.third_party import third_party

SPEC = (Path(__file__).parents[2] / "docs" / "network-plugin-spec.md").read_text()


def test_the_document_has_the_version_of_the_code() -> None:
    """In its head, and as the newest entry of its changes."""
    version = re.escape(plugin.CONTRACT_VERSION)
    assert re.search(rf"^Version {version}\.", SPEC, re.MULTILINE)
    changes = SPEC.partition("\n## Changes\n")[2]
    assert re.findall(r"^- \*\*([\d.]+)\*\*", changes, re.MULTILINE)[0] == plugin.CONTRACT_VERSION


def test_the_document_names_everything() -> None:
    """Every class of the contract, and every method and field that they have."""
    classes = [
        item
        for item in vars(plugin).values()
        if isinstance(item, type) and item.__module__ == plugin.__name__
    ]
    names = {item.__name__ for item in classes}
    for item in classes:
        names |= {name for name in (*vars(item), *item.__annotations__) if name[0] != "_"}
    quoted = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`|^    .*$", SPEC, re.MULTILINE))))
    assert len(names) > 100
    assert sorted(names - quoted) == []


def test_the_document_names_the_kinds_of_case() -> None:
    """All sixteen, in the words of the report."""
    listed = re.findall(r"^(\d+)\. (.*)$", SPEC.partition("\n## Conformance\n")[2], re.MULTILINE)
    assert listed == [(str(kind.number), kind.value) for kind in Kind]


def test_the_document_names_the_capabilities_that_are_tried() -> None:
    """In the words of the report, too."""
    listed = re.findall(r"^- (\w+): (.*)$", SPEC.partition("\n## Conformance\n")[2], re.MULTILINE)
    assert listed == [(item.title, item.value) for item in Capability]


@pytest.mark.parametrize(
    ("contract", "why"),
    [
        ("1.0", ""),
        ("1.1", "install another Abaca"),
        ("2.0", "install another Abaca"),
        ("0.9", "install a newer release of it"),
        ("one", "is no version"),
    ],
)
def test_versions(contract: str, why: str) -> None:
    """A plugin of the same first number, and no later one, fits."""
    assert plugin.CONTRACT_VERSION == "1.0"
    said = misfit(type("Plugin", (FakePlugin,), {"contract": contract}))
    assert why in said
    assert bool(why) == bool(said)


def test_what_is_no_plugin() -> None:
    """It is told what it lacks."""
    assert misfit(FakePlugin) == ""
    for name in sorted(REQUIRED):
        methods = {item: None for item in REQUIRED if item != name}
        assert misfit(type("Plugin", (), methods)) == f"it lacks {name}"


def test_a_plugin_of_another_version_is_refused(tmp_path: Path) -> None:
    """`abaca config check` says which versions there are; nothing starts with it."""
    env = third_party(
        tmp_path,
        "from abaca.network.fake import FakePlugin\n"
        "class Later(FakePlugin):\n    name = 'later'\n    contract = '2.0'\n",
        network_plugins={"later": "Later"},
    )
    file = configuration(tmp_path, {"one": FLAT}, net={"network_plugin": "later"})
    done = abaca("config", "check", "--config-file", str(file), code=1, env=env)
    assert done.stderr.splitlines()[0] == (
        "[net] network_plugin: later (third_party:Later) can't be used: it is written for version "
        "2.0 of the plugin contract, and this Abaca has 1.0; install another Abaca"
    )
