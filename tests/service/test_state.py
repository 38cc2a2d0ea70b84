"""What every process of a deployment begins with."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from abaca.config import load
from abaca.service.state import deployment, make_state_path
from support.configuration import SINGLE, configuration

AT_ONCE = 8


def test_a_deployment_has_one_name(tmp_path: Path) -> None:
    """Of many that begin at the same moment all have the same, and leave nothing beside it."""
    service = load((configuration(tmp_path, {"one": SINGLE}),), ()).service
    make_state_path(service)
    file = service.state_path / "deployment"
    ready = threading.Barrier(AT_ONCE)

    def begin(_: int) -> str:
        ready.wait(60)
        return deployment(service)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in range(20):
            found = set(threads.map(begin, range(AT_ONCE)))
            assert found == {file.read_text()}
            assert re.fullmatch("[0-9a-f]{8}", *found)
            assert list(service.state_path.iterdir()) == [file]
            file.unlink()
