"""Programs run to their end, and daemons."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from abaca.errors import CommandFailed, LinuxError
from abaca.linux.command import (
    begun,
    is_running,
    process_identity,
    run,
    start_daemon,
    stop_process,
)
from abaca.testing.wait import until

STUBBORN = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); "
    "time.sleep(60)"
)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A daemon that sleeps; stopped at the end."""
    pid = start_daemon(["sleep", "60"], netns=None, log=tmp_path / "log")
    identity = process_identity(pid)
    yield identity
    stop_process(*identity)


def test_output_input_and_environment() -> None:
    """Standard output comes back, input goes in, messages are in the C locale, env is added."""
    assert run("cat", stdin=b"hello") == "hello"
    assert run("sh", "-c", "echo $LC_ALL $EXTRA", env={"EXTRA": "more"}) == "C more\n"


def test_failure_tells_what_and_why() -> None:
    """The error has the arguments, the exit code and what the program said."""
    with pytest.raises(CommandFailed, match="exit 2") as failure:
        run("ls", "/nonexistent")
    assert failure.value.code == 2
    assert failure.value.argv == ("ls", "/nonexistent")
    assert "No such file" in failure.value.output


def test_a_missing_program_names_its_package() -> None:
    """What to install is in the message."""
    with pytest.raises(CommandFailed, match="nosuchprogram was not found"):
        run("nosuchprogram")
    with pytest.raises(CommandFailed, match="openvswitch-switch"):
        run("/nonexistent/ovs-vsctl")


def test_a_timeout_ends_the_whole_group() -> None:
    """After the time is up the program is killed, with those that it started."""
    started = time.monotonic()
    with pytest.raises(CommandFailed, match="took longer than"):
        run("sh", "-c", "sleep 61.25 & sleep 61.25; wait", timeout=0.3)
    assert time.monotonic() - started < 61, "it waited for the program to end by itself"
    until(lambda: "sleep\x0061.25" not in command_lines(), "the children are gone")


def test_a_program_beside_us() -> None:
    """It reads more than a pipe holds while nobody waits, and its end is waited for."""
    text = b"a line\n" * 20_000
    with begun("wc", "-c", stdin=text) as program:
        assert program.end().strip() == str(len(text))
    with begun("ls", "/nonexistent") as program, pytest.raises(CommandFailed, match="exit 2"):
        program.end()


def test_a_program_beside_us_ends_with_the_block() -> None:
    """Nobody waited for it, or something else failed meanwhile: it is gone."""
    with begun("sleep", "61.75"):
        until(lambda: "sleep\x0061.75" in command_lines(), "it runs")
    assert "sleep\x0061.75" not in command_lines()
    with pytest.raises(ZeroDivisionError), begun("sleep", "61.75"):
        _ = 1 // 0
    assert "sleep\x0061.75" not in command_lines()


def command_lines() -> str:
    """The command lines of all processes."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found.append((folder / "cmdline").read_text())
            except OSError:
                continue
    return "\n".join(found)


def test_a_daemon_inherits_nothing(tmp_path: Path) -> None:
    """No lock, descriptor or environment of ours reaches a daemon; its output goes to the log."""
    log = tmp_path / "log"
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        fcntl.flock(lock, fcntl.LOCK_EX)
        program = "import os, time; print(dict(os.environ), flush=True); time.sleep(60)"
        pid = start_daemon(
            [sys.executable, "-c", program], netns=None, log=log, env={"GIVEN": "this"}
        )
    identity = process_identity(pid)
    until(lambda: "GIVEN" in log.read_text(), "the daemon has written")
    assert sorted(item.name for item in Path(f"/proc/{pid}/fd").iterdir()) == ["0", "1", "2"]
    assert "HOME" not in log.read_text()
    assert os.getsid(pid) == pid
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    stop_process(*identity)


def test_stop_is_exact_and_repeatable(sleeper: tuple[int, int]) -> None:
    """Another start time is another process: it is left alone; the right one is gone at return."""
    pid, start_time = sleeper
    assert is_running(pid, start_time)
    assert not is_running(pid, start_time + 1)
    stop_process(pid, start_time + 1)
    assert is_running(pid, start_time)
    stop_process(pid, start_time)
    stop_process(pid, start_time)
    assert not is_running(pid, start_time)
    assert not Path(f"/proc/{pid}").exists(), "not even a zombie of ours"


def test_who_does_not_end_is_killed(tmp_path: Path) -> None:
    """A process that ignores SIGTERM is gone after the timeout."""
    log = tmp_path / "log"
    pid = start_daemon([sys.executable, "-c", STUBBORN], netns=None, log=log)
    identity = process_identity(pid)
    until(lambda: "up" in log.read_text(), "it ignores SIGTERM now")
    stop_process(*identity, timeout=0.2)
    assert not is_running(*identity)


def test_a_process_of_somebody_else_is_stopped() -> None:
    """It need not be our child: a grandchild is stopped too."""
    launcher = "import subprocess; print(subprocess.Popen(['sleep', '60'], stdout=-3).pid)"
    pid = int(subprocess.check_output([sys.executable, "-c", launcher]))
    identity = process_identity(pid)
    stop_process(*identity)
    assert not is_running(*identity)


def test_what_does_not_run_has_no_identity() -> None:
    """A PID without a process is an error, and does not run."""
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    with pytest.raises(LinuxError, match="does not run"):
        process_identity(ended.pid)
    assert not is_running(ended.pid, 1)
