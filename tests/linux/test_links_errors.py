"""What the netlink library raises becomes an error of ours."""

from __future__ import annotations

import pytest
from pyroute2.netlink.exceptions import NetlinkDecodeError, NetlinkError

from abaca.errors import LinuxError
from abaca.linux import links
from abaca.testing.libraries import exceptions_of, instance

ANSWERS = [
    cls for cls in exceptions_of("pyroute2") if issubclass(cls, NetlinkError | NetlinkDecodeError)
]
"""Those of a netlink socket; the library's others are of parts that are not used."""


@pytest.mark.parametrize("cls", [*ANSWERS, OSError, ConnectionResetError, TimeoutError])
def test_each_is_a_linux_error(cls: type[Exception]) -> None:
    """Whatever the library or the socket under it raises, the caller sees what was being done."""
    error = instance(cls)

    def fail(_netlink: object) -> None:
        raise error

    with pytest.raises(LinuxError, match="counting links") as seen:
        links.inside(None, "counting links", fail)
    assert seen.value.__cause__ is error


def test_there_are_several() -> None:
    """The library was loaded when its classes were listed."""
    assert {NetlinkError, NetlinkDecodeError} < set(ANSWERS)
