"""What a service is told by signals, at whatever moment they come."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, threading, time
from abaca.service.signals import handled

numbers = [getattr(signal, name) for name in sys.argv[1:]]
first = threading.Event()

def send():
    first.wait(20)
    time.sleep(0.1)
    for number in numbers:
        os.kill(os.getpid(), number)
        time.sleep(0.1)

threading.Thread(target=send, daemon=True).start()
# As if each signal came when the main thread had made up its mind to wait, but does not yet:
# nothing interrupts its waiting.
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
with handled() as told:
    first.set()
    told.until_stop(lambda: print("reload", flush=True))
    print("stop", told.stopping)
"""


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (["SIGTERM"], ["stop True"]),
        (["SIGINT"], ["stop True"]),
        (["SIGHUP", "SIGHUP", "SIGTERM"], ["reload", "reload", "stop True"]),
    ],
    ids=" ".join,
)
def test_no_signal_is_slept_through(numbers: list[str], expected: list[str]) -> None:
    """Also one that doesn't interrupt the wait."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *numbers],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines() == expected
