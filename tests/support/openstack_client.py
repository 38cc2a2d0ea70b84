"""`openstack` without its start."""

from __future__ import annotations

from support.forked_command import ForkedCommand


class OpenStackClient(ForkedCommand):
    """Runs commands for the tests of one process; not for several threads at once."""

    def __init__(self) -> None:
        super().__init__("openstack")
