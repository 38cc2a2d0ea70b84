"""What the host says when it can't, as the errors of the driver contract."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from abaca.errors import (
    BackendUnavailable,
    CommandFailed,
    DriverError,
    LinuxError,
    StorageFull,
)
from abaca.linux.bus import BusError
from abaca.linux.daemon import NotReady
from abaca.linux.lock import LockTimeout

_TIMED_OUT = {124, -signal.SIGALRM}
"""We ended the program, or it did so itself (ovs-vsctl)."""
_PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR}
"""Of a host or a process that is too busy: another time it would go."""


@contextmanager
def translated() -> Iterator[None]:
    """Only DriverError leaves the block; retriable if the same may succeed later."""
    try:
        yield
    except (LockTimeout, BusError, NotReady) as error:
        raise BackendUnavailable(str(error)) from error
    except CommandFailed as error:
        if "No space left on device" in error.output:
            raise StorageFull(str(error)) from error
        if error.code in _TIMED_OUT:
            raise BackendUnavailable(str(error)) from error
        raise DriverError(str(error)) from error
    except LinuxError as error:
        raise DriverError(str(error)) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageFull(str(error)) from error
        if error.errno in _PASSING:
            raise BackendUnavailable(str(error)) from error
        raise DriverError(str(error)) from error
