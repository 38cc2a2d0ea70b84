"""What `abaca serve` loads: the packages that its configuration needs (``start_imports.yaml``)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.configuration import FLAT, NET, SINGLE, configuration

LISTS: dict[str, list[str]] = yaml.safe_load(
    Path(__file__).with_name("start_imports.yaml").read_text()
)
CONFIGURED = {
    "standalone": ("none", "standalone", ["ever"]),
    "builtin": ("builtin", "", ["ever", "builtin"]),
}
"""auth_strategy, network plugin, and the lists of what may be loaded."""
INSTALLATION = {"_distutils_hack", "_virtualenv", "sitecustomize", "usercustomize"}
PARTS = ("abaca", "__", "_cython_", "cython_runtime", "_sysconfigdata", "_openssl")
"""What names begin with that are no packages of their own."""
SECONDS = 60
PROGRAM = """
import atexit, json, sys
atexit.register(lambda: print("loaded", json.dumps(sorted(k for k, v in sys.modules.items() if v))))
from abaca.cli.main import main
main()
"""


def site(folder: Path, auth: str, plugin: str) -> Path:
    """A backend with the fake driver."""
    default = {"auth_strategy": auth}
    if not plugin:
        return configuration(folder, {"one": SINGLE}, DEFAULT=default)
    net = {**NET, "network_plugin": plugin}
    return configuration(folder, {"one": FLAT}, DEFAULT=default, net=net)


def loaded(file: Path) -> set[str]:
    """Top-level packages that are there after a start of the service, but Python's own."""
    log = file.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", PROGRAM, "serve", "--config-file", str(file)],
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    assert process.stdout is not None
    try:
        listens = any("listening" in line for line in process.stdout)
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=SECONDS)
    assert listens, log.read_text()[-2000:]
    modules = json.loads(said.partition("loaded ")[2])
    packages = {name.partition(".")[0] for name in modules}
    return {
        name
        for name in packages - sys.stdlib_module_names - INSTALLATION
        if not name.startswith(PARTS)
    }


@pytest.mark.parametrize("name", CONFIGURED)
def test_only_what_is_configured_is_loaded(name: str, tmp_path: Path) -> None:
    """A start on a database that is there imports what is listed, and nothing else."""
    auth, plugin, lists = CONFIGURED[name]
    file = site(tmp_path, auth, plugin)
    loaded(file)  # makes the database, with Alembic
    found = loaded(file)
    assert sorted(found & set(LISTS["never"])) == []
    assert sorted(found - {package for item in lists for package in LISTS[item]}) == []
    assert {"falcon", "sqlalchemy", "oslo_config"} <= found
