"""`make demo`: it shows all three modes, and leaves nothing, also when interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from abaca.demo import leftovers
from abaca.testing import world
from support.databases import main

pytestmark = [
    pytest.mark.dataplane,
    pytest.mark.slow,
    pytest.mark.usefixtures("databases"),  # so that it is done on each kind, on a server of its own
]

COMMAND = [sys.executable, "-u", "-m", "abaca.demo", "--db", main()]


def _roots() -> list[Path]:
    """Folders of the demonstrations that run now."""
    return list(Path(tempfile.gettempdir()).glob(f"{leftovers.PREFIX}*"))


@pytest.fixture(scope="module", autouse=True)
def left() -> list[str]:
    """What a demonstration leaves that gets Ctrl-C while a share is in use; it is the first run."""
    before = world.snapshot()
    demo = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "write and read" in line:
                break
        root = next(path for path in _roots() if leftovers.owner(path) == demo.pid)
        marks = leftovers.marks(root)
        run_path = Path("/run/abaca", marks[-1])
        seen = world.left_behind(before, world.snapshot(marks))
        assert run_path.exists()
        time.sleep(0.5)
        os.killpg(demo.pid, signal.SIGINT)
        demo.communicate(timeout=60)
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                demo.wait(60)
        demo.kill()
        demo.wait()
    assert demo.returncode == 130
    kinds = {line.split()[0] for line in seen}
    assert kinds >= {"namespace", "mount", "loop", "process"}, f"nothing to clean up: {seen}"
    after = world.left_behind(before, world.snapshot(marks))
    return after + [str(path) for path in (root, run_path) if path.exists()]


def test_an_interrupted_one_cleans_up(left: list[str]) -> None:
    """After Ctrl-C in the middle there is no namespace, mount, loop device, process, link, file."""
    assert left == []


def test_all_modes_pass_after_it_and_nothing_is_left(tmp_path: Path) -> None:
    """After one that was interrupted every check passes, with evidence; the world is as before."""
    report = tmp_path / "report.json"
    done = subprocess.run(
        [*COMMAND, "--json", str(report)], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    seen = json.loads(report.read_text())
    last = f"demo: {seen['passed']} checks passed, 0 failed, 0 left behind"
    assert done.stdout.splitlines()[-1] == last
    assert seen["modes"] == ["single_svm", "flat_multi_svm", "managed_multi_svm"]
    assert seen["passed"] == len(seen["checks"]) >= 30
    assert (seen["failed"], seen["left_behind"]) == (0, 0)
    exports = {check["evidence"].get("export", "").partition(":")[0] for check in seen["checks"]}
    # Routed: Abaca's own network, which is not the tenant's.
    assert any(address.startswith("10.254.") for address in exports)
    shown = " ".join(done.stdout.split())
    assert [check["name"] for check in seen["checks"] if check["name"] not in shown] == []
    for mode in seen["modes"]:
        evidence = [check["evidence"] for check in seen["checks"] if check["mode"] == mode]
        assert {"export", "sha256", "refused_with"} <= {key for item in evidence for key in item}
