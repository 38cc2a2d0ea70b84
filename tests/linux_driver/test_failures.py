"""What the host's errors are to who asked the driver."""

from __future__ import annotations

import errno
import os

import pytest

from abaca.drivers.linux.failures import translated
from abaca.errors import BackendUnavailable, CommandFailed, DriverError, LinuxError, StorageFull
from abaca.linux.bus import BusError
from abaca.linux.daemon import NotReady
from abaca.linux.lock import LockTimeout


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_an_error_of_the_kernel(number: int) -> None:
    """A full disk is told as such, what passes is tried again, any other number is final."""
    busy = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR}
    final = StorageFull if number == errno.ENOSPC else DriverError
    with pytest.raises(DriverError) as caught, translated():
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is (BackendUnavailable if number in busy else final)
    assert os.strerror(number) in str(caught.value)


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (LockTimeout("held"), BackendUnavailable),
        (BusError("gone"), BackendUnavailable),
        (NotReady("slow"), BackendUnavailable),
        (CommandFailed(("ovs-vsctl",), -14, "alarm"), BackendUnavailable),
        (CommandFailed(("btrfs",), 124, "too long"), BackendUnavailable),
        (CommandFailed(("cp",), 1, "cp: No space left on device"), StorageFull),
        (CommandFailed(("btrfs",), 1, "bad"), DriverError),
        (LinuxError("bad"), DriverError),
    ],
)
def test_an_error_of_a_program(error: LinuxError, wanted: type[DriverError]) -> None:
    """What hangs or is held is tried again, a full disk is told as such, the rest is final."""
    with pytest.raises(DriverError) as caught, translated():
        raise error
    assert type(caught.value) is wanted
