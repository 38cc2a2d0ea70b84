"""Configurations for the demonstration's host: some of its backends, on other networks."""

from __future__ import annotations

from configparser import ConfigParser

from abaca.demo.service import CONFIG
from support.configuration import Options, text_of


def demo_config(*backends: str, **sections: Options) -> str:
    """A configuration with these backends only, and with these sections.

    Options of ``DEFAULT`` come on top of the demonstration's; every other section
    stands as it is given, and a backend that is not given is the demonstration's.
    """
    parser = ConfigParser(default_section="", interpolation=None)
    parser.read_string(CONFIG)
    theirs = {name: dict(parser[name]) for name in backends if name not in sections}
    default = {
        **parser["DEFAULT"],
        "enabled_share_backends": ", ".join(backends),
        **sections.pop("DEFAULT", {}),
    }
    return text_of({"DEFAULT": default, **theirs, **sections})
