"""`abaca config sample`: nothing that can be written is missing in it, or unexplained."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pytest
from oslo_config import cfg

from abaca.config import extensions
from abaca.config.options import BACKEND, GROUPS, NETWORK
from abaca.config.sample import sample


def sections() -> dict[str, list[str]]:
    """The lines of each section, whether it is commented out or not."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in sample().splitlines():
        if head := re.fullmatch(r"#?\[(\S+)\]", line):
            name = head[1]
        found.setdefault(name, []).append(line)
    return found


def kinds() -> Iterator[tuple[str, Sequence[cfg.Opt]]]:
    """Each group, driver and plugin, with all that its section may have."""
    yield from GROUPS.items()
    for name in extensions.names(extensions.DRIVERS):
        yield f"share_driver = {name}", [*BACKEND, *extensions.driver(name).options]
    for name in extensions.names(extensions.PLUGINS):
        yield f"network_plugin = {name}", [*NETWORK, *extensions.plugin(name).options]


@pytest.mark.parametrize(("kind", "options"), [pytest.param(*item, id=item[0]) for item in kinds()])
def test_every_option_is_there_with_its_help(kind: str, options: Sequence[cfg.Opt]) -> None:
    """In the section of its group, driver or plugin, each option stands below what it means."""
    (lines, *_) = [
        lines
        for name, lines in sections().items()
        if name == kind or {kind, f"#{kind}"} & set(lines)
    ]
    assert len(options) > 0
    for option in options:
        (at,) = [
            number
            for number, line in enumerate(lines)
            if re.match(rf"#?{re.escape(option.dest)} =", line)
        ]
        assert option.help, f"{kind}: {option.dest} has no help"
        start = lines[:at][::-1].index("")
        told = " ".join(line.removeprefix("# ") for line in lines[at - start : at])
        assert told.startswith(" ".join(option.help.split())), f"{kind}: {option.dest}"


def test_nothing_else_is_there() -> None:
    """No option that nobody reads."""
    known = {option.dest for _, options in kinds() for option in options}
    named = re.findall(r"^#?(\w+) =", sample(), re.MULTILINE)
    assert len(named) > 100
    assert set(named) == known
