"""A complete configuration file to start from, with what third parties' packages add."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence

from oslo_config import cfg

from abaca.config import extensions
from abaca.config.options import BACKEND, GROUPS, NETWORK
from abaca.errors import ConfigError

WIDTH = 96

INTRODUCTION = """\
Abaca's configuration. Lines that begin with # are explanations, or options with their defaults
or examples. What is set is a site with two clusters on two flat networks. `abaca config check`
says what it understood, and what is wrong."""

EXAMPLE: Mapping[str, Mapping[str, str]] = {
    "DEFAULT": {"enabled_share_backends": "cluster1, cluster2"},
    "cluster1": {
        "share_driver": "linux",
        "driver_mode": "flat_multi_svm",
        "network_config_group": "flat1",
        "storage_path": "/srv/abaca/cluster1",
        "bridge_mappings": "flat:br-flat1",
    },
    "cluster2": {
        "share_driver": "linux",
        "driver_mode": "flat_multi_svm",
        "network_config_group": "flat2",
        "storage_path": "/srv/abaca/cluster2",
        "bridge_mappings": "flat:br-flat2",
    },
    "flat1": {
        "network_plugin": "standalone",
        "gateway": "10.10.0.1",
        "mask": "24",
        "allowed_ip_ranges": "10.10.0.10-10.10.0.199",
    },
    "flat2": {
        "network_plugin": "standalone",
        "gateway": "10.20.0.1",
        "mask": "24",
        "allowed_ip_ranges": "10.20.0.10-10.20.0.199",
    },
}


def sample() -> str:
    """The text of the file; it passes the check as it is."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield from _comment(INTRODUCTION)
    for section, options in GROUPS.items():
        yield from _section(section, options, EXAMPLE.get(section, {}))
    yield from _kind(
        extensions.DRIVERS, "share_driver", BACKEND, lambda n: extensions.driver(n).options
    )
    yield from _kind(
        extensions.PLUGINS, "network_plugin", NETWORK, lambda n: extensions.plugin(n).options
    )


def _kind(
    group: str,
    selector: str,
    common: Sequence[cfg.Opt],
    options_of: Callable[[str], Sequence[cfg.Opt]],
) -> Iterator[str]:
    """Sections of one kind: the example's, then a commented one per driver or plugin left."""
    for name in extensions.names(group):
        try:
            options = [*common, *options_of(name)]
        except ConfigError as error:
            yield from ("", *_comment(error.faults[0]))
            continue
        examples = [s for s, values in EXAMPLE.items() if values.get(selector) == name]
        for number, section in enumerate(examples):
            if number == 0:
                yield from _section(section, options, EXAMPLE[section])
            else:
                yield from ("", f"[{section}]")
                yield from (f"{key} = {value}" for key, value in EXAMPLE[section].items())
        if not examples:
            yield from _section(f"my-{name}", options, {}, {selector: name})


def _section(
    name: str,
    options: Sequence[cfg.Opt],
    live: Mapping[str, str],
    suggested: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """One section; commented out as a whole if ``suggested`` values are given."""
    yield ""
    yield f"[{name}]" if suggested is None else f"#[{name}]"
    for option in options:
        yield ""
        yield from _help(option)
        if option.dest in live:
            yield f"{option.dest} = {live[option.dest]}"
        else:
            value = (suggested or {}).get(option.dest, _default(option))
            yield f"#{option.dest} = {value}".rstrip()


def _help(option: cfg.Opt) -> Iterator[str]:
    yield from _comment(option.help or option.dest)
    choices = getattr(option.type, "choices", None)
    for value, text in dict(choices).items() if choices else ():
        yield f"#   {value}: {text}" if text else f"#   {value}"


def _default(option: cfg.Opt) -> str:
    value = option.sample_default if option.sample_default is not None else option.default
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(" ".join(text.split()), WIDTH):
        yield f"# {line}"
