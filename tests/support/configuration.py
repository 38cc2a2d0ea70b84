"""Configurations of tests: backends of the fake driver, and sections in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Options = Mapping[str, object]

SINGLE: Options = {"share_driver": "fake", "driver_mode": "single_svm"}
FLAT: Options = {
    "share_driver": "fake",
    "driver_mode": "flat_multi_svm",
    "network_config_group": "net",
}
MANAGED: Options = {**FLAT, "driver_mode": "managed_multi_svm"}
NET: Options = {"network_plugin": "standalone", "gateway": "10.10.0.1", "mask": 24}
"""A flat network: the section ``net`` that ``FLAT`` names."""


def text_of(sections: Mapping[str, Options]) -> str:
    """The sections as a file has them."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{option} = {value}\n" for option, value in options.items())
        for name, options in sections.items()
    )


def configuration(folder: Path, backends: Mapping[str, Options], **sections: Options) -> Path:
    """A file with these backends and sections; its state is in the folder's ``state``.

    The options of ``DEFAULT`` come on top of those that every service needs.
    """
    default = {
        "host": "node1",
        "state_path": folder / "state",
        "listen_port": 0,
        "enabled_share_backends": ", ".join(backends),
        **sections.pop("DEFAULT", {}),
    }
    file = folder / "abaca.conf"
    file.write_text(text_of({"DEFAULT": default, **backends, **sections}))
    return file
