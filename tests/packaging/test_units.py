"""The systemd units, as far as they can be checked where systemd is not running: their form."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from abaca.config import load

FOLDER = Path(__file__).parents[2] / "packaging/systemd"
ABACA = str(Path(sys.executable).with_name("abaca"))


@pytest.mark.parametrize("name", ["abaca-api.service", "abaca-manager.service"])
def test_unit_is_valid(tmp_path: Path, name: str) -> None:
    """``systemd-analyze verify`` finds nothing to say, with the program where it is here."""
    assert shutil.which("systemd-analyze"), "apt-get install systemd"
    unit = tmp_path / name
    text = (FOLDER / name).read_text()
    assert "/opt/abaca/bin/abaca " in text
    unit.write_text(text.replace("/opt/abaca/bin/abaca ", f"{ABACA} "))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "")


def settings(name: str) -> dict[str, str]:
    """The unit's settings; those that are given several times are joined."""
    found: dict[str, str] = {}
    for line in (FOLDER / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[key] = f"{found[key]} {value}" if key in found else value
    return found


def test_the_api_has_no_privileges() -> None:
    """No capability, no root, no way to get any."""
    unit = settings("abaca-api.service")
    assert unit["CapabilityBoundingSet"] == ""
    assert unit["User"] not in {"", "root"}
    assert unit["NoNewPrivileges"] == "yes"


def test_share_servers_outlive_the_manager() -> None:
    """Only the manager is ended, and nothing gives it a mount namespace of its own."""
    unit = settings("abaca-manager.service")
    assert unit["KillMode"] == "process"
    own_namespace = ("Private", "Protect", "ReadOnly", "ReadWrite", "Inaccessible", "Bind", "Temp")
    assert not [name for name in unit if name.startswith(own_namespace)]
    assert "CAP_SYS_MODULE" not in unit["CapabilityBoundingSet"]


def test_the_configurations_in_the_guide_have_no_faults(tmp_path: Path) -> None:
    """The API's and the manager's, as ``docs/deploy.md`` has them."""
    text = (FOLDER.parents[1] / "docs/deploy.md").read_text()
    whole = [block for block in text.split("```ini\n")[1:] if block.startswith("[DEFAULT]")]
    assert len(whole) == 2
    for number, block in enumerate(whole):
        file = tmp_path / f"{number}.conf"
        file.write_text(block.partition("```")[0])
        config = load([file], need_backends=number == 1)
        assert config.service.database_url.startswith("postgresql+psycopg://abaca:")
