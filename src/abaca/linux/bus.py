"""A private D-Bus daemon per NFS server, and calls on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM, socket
from xml.sax.saxutils import escape

from jeepney import (
    DBusAddress,
    DBusErrorResponse,
    MatchRule,
    MessageType,
    message_bus,
    new_method_call,
)
from jeepney.bus import get_bus
from jeepney.io.blocking import DBusConnection, Proxy, prep_socket
from jeepney.io.common import RouterClosed

from abaca.errors import LinuxError
from abaca.linux.daemon import Daemon, NotReady
from abaca.linux.files import write_whole

_CONFIGURATION = """<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="root"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true"/>
    <allow receive_type="method_call"/>
    <allow receive_type="signal"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
  </policy>
</busconfig>
"""
_LONGEST_SOCKET = 100
"""Bytes in a UNIX socket's address (108), less some for the kernel's and D-Bus's own."""
_FOREIGN = (OSError, ValueError, RuntimeError, DBusErrorResponse, RouterClosed)
"""What the library and the socket under it raise."""
_PAUSE = 0.0005
"""Seconds between looks for the socket of a daemon that has just been started."""


class BusError(LinuxError):
    """The other side answered a call with an error, or not at all."""


class Bus:
    """The message bus of one server, in ``folder``, which only root can enter."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "bus"
        self._configuration = folder / "bus.conf"
        self.daemon = Daemon(
            program="dbus-daemon",
            marker=f"--config-file={self._configuration}",
            record=folder / "bus.pid",
            log=folder / "bus.log",
        )

    @property
    def address(self) -> str:
        """As D-Bus writes it."""
        return f"unix:path={self._socket}"

    def begin(self) -> None:
        """It runs, or is starting: `start` waits until it takes in who comes."""
        if len(str(self._socket)) > _LONGEST_SOCKET:
            raise LinuxError(f"{self._socket} is too long for the address of a UNIX socket")
        if self.daemon.identity() is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._socket.unlink(missing_ok=True)
            write_whole(
                self._configuration,
                _CONFIGURATION.format(socket=escape(str(self._socket))),
                durable=False,
            )
            argv = ["dbus-daemon", self.daemon.marker, "--nofork", "--nopidfile"]
            self.daemon.launch(argv, netns=None)

    def start(self) -> None:
        """It runs and takes in who comes: what they ask, it answers when it has its turn."""
        self.begin()
        self._wait()

    def stop(self) -> None:
        """It is gone; succeeds on unknown."""
        # Not asked first: it keeps nothing.
        self.daemon.stop(timeout=0)
        self._socket.unlink(missing_ok=True)
        self._configuration.unlink(missing_ok=True)

    def call(
        self,
        target: DBusAddress,
        method: str,
        signature: str | None = None,
        body: tuple[object, ...] = (),
        *,
        timeout: float = 20,
    ) -> tuple[object, ...]:
        """Call a method and return what it returns; BusError if it fails."""
        try:
            with self._connected(timeout) as connection:
                return self._ask(connection, target, method, signature, body, timeout=timeout)
        except _FOREIGN as error:
            raise BusError(f"{method} on {self.address}: {error!r}") from error

    def first_call(
        self, target: DBusAddress, method: str, *, within: float, timeout: float = 20
    ) -> tuple[object, ...] | None:
        """`call` as soon as somebody has the target's name; None if nobody has it in that time."""
        try:
            with self._connected(within) as connection:
                _await_owner(connection, target, within)
                return self._ask(connection, target, method, timeout=timeout)
        except _FOREIGN:
            return None

    def _ask(
        self,
        connection: DBusConnection,
        target: DBusAddress,
        method: str,
        signature: str | None = None,
        body: tuple[object, ...] = (),
        *,
        timeout: float,
    ) -> tuple[object, ...]:
        try:
            message = new_method_call(target, method, signature, body)
            reply = connection.send_and_get_reply(message, timeout=timeout)
        except _FOREIGN as error:
            raise BusError(f"{method} on {self.address}: {error!r}") from error
        if reply.header.message_type is MessageType.error:
            raise BusError(f"{method}: {' '.join(str(part) for part in reply.body)}")
        return tuple(reply.body)

    @contextmanager
    def _connected(self, seconds: float) -> Iterator[DBusConnection]:
        """A connection; ``seconds`` for the bus to let us in, which on a busy host takes it long.

        What the library would open by itself stays open where the bus refuses it, and waits
        one second only: an NFS server that serves would be taken for dead.
        """
        with (
            closing(prep_socket(get_bus(self.address), timeout=seconds)) as opened,
            DBusConnection(opened) as connection,
        ):
            yield connection

    def _wait(self, patience: float = 10) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                with socket(AF_UNIX, SOCK_STREAM) as caller:
                    caller.settimeout(patience)
                    caller.connect(str(self._socket))
                    return
            except OSError as error:
                said = f"{error}; {self.daemon.last_words()}"
                if self.daemon.identity() is None:
                    raise LinuxError(f"the bus {self.address} does not start: {said}") from error
                if time.monotonic() > deadline:
                    raise NotReady(f"the bus {self.address} does not answer: {said}") from error
            time.sleep(_PAUSE)


def _await_owner(connection: DBusConnection, target: DBusAddress, seconds: float) -> None:
    """Somebody has the target's name; TimeoutError if nobody comes to have it."""
    taken = MatchRule(type="signal", sender=message_bus.bus_name, member="NameOwnerChanged")
    taken.add_arg_condition(0, target.bus_name)
    with connection.filter(taken) as signals:
        bus = Proxy(message_bus, connection, timeout=seconds)
        bus.AddMatch(taken)
        # Asked after the signal is ordered, so that it is not missed in between.
        if not bus.NameHasOwner(target.bus_name)[0]:
            connection.recv_until_filtered(signals, timeout=seconds)
