"""What the D-Bus library raises becomes an error of ours."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from jeepney import DBusAddress, DBusErrorResponse, message_bus, new_error, new_method_call
from jeepney.io.blocking import DBusConnection

from abaca.errors import LinuxError
from abaca.linux.bus import Bus, BusError
from abaca.linux.daemon import NotReady
from abaca.testing.libraries import exceptions_of, instance

FOREIGN = [*exceptions_of("jeepney"), OSError, ConnectionResetError, TimeoutError, ValueError]


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    """A running one."""
    made = Bus(tmp_path_factory.mktemp("bus"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def made(cls: type[Exception]) -> Exception:
    """One of them, whole: an answer of the bus says which error it is."""
    if cls is not DBusErrorResponse:
        return instance(cls)
    asked = new_method_call(message_bus, "ListNames")
    asked.header.serial = 7
    return cls(new_error(asked, "org.example.Refused", "s", ("injected",)))


def test_without_errors(bus: Bus) -> None:
    """It answers, and the library was loaded when its classes were listed."""
    assert bus.call(message_bus, "ListNames")
    assert len({cls.__module__.partition(".")[0] for cls in FOREIGN}) > 1


def test_a_busy_bus_is_waited_for(bus: Bus) -> None:
    """A bus that gets no turn for a while is not one that does not answer."""
    found = bus.daemon.identity()
    assert found is not None
    os.kill(found[0], signal.SIGSTOP)
    going_on = threading.Timer(1.5, os.kill, (found[0], signal.SIGCONT))
    going_on.start()
    try:
        assert bus.call(message_bus, "ListNames")
    finally:
        going_on.join()


@pytest.mark.parametrize("cls", FOREIGN)
def test_each_is_an_error_of_ours(
    bus: Bus, cls: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raised in a call, or while somebody is waited for: no other class comes out.

    Nor is a socket left open, which the garbage collector would tell.
    """

    def fail(*_: object, **__: object) -> None:
        raise made(cls)

    monkeypatch.setattr(DBusConnection, "send_and_get_reply", fail)
    with pytest.raises(BusError):
        bus.call(message_bus, "ListNames")
    nobody = DBusAddress("/", bus_name="org.example.Nobody")
    assert bus.first_call(nobody, "Ping", within=0.1) is None
    gc.collect()


def test_a_bus_that_takes_in_nobody(tmp_path: Path) -> None:
    """One that runs may yet; one that does not is told of with what it said."""
    bus = Bus(tmp_path)
    try:
        bus.start()
        (tmp_path / "bus").unlink()
        with pytest.raises(NotReady):
            bus._wait(patience=0.01)
        bus.daemon.stop()
        with pytest.raises(LinuxError, match="does not start"):
            bus._wait()
    finally:
        bus.stop()
