"""The stage fixture of the fabric's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from fabric_stage import Stage

from abaca.linux import netns


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage that is cleared whatever happens."""
    with ExitStack() as stack:
        built = Stage(stack)
        try:
            yield built
        finally:
            for name in netns.namespaces():
                if any(deployment in name for deployment in built.deployments):
                    netns.remove_namespace(name)
