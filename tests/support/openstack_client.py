"""`openstack` without its start: each command is a fork of a process that has imported it all.

Importing the client and its plugins takes a second and more of each command; what the
command itself does is as in a process of its own, from its arguments and environment to
its exit code.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class OpenStackClient:
    """Runs commands for the tests of one process; not for several threads at once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, argv: tuple[str, ...], credentials: Mapping[str, str]) -> Answer:
        """Run `openstack ARGV` with these variables and no others that it reads."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps([argv, dict(credentials)]), file=process.stdin, flush=True)
        with _killed_after(SECONDS, process):
            line = process.stdout.readline()
        assert line, f"openstack {' '.join(argv)}: no answer in {SECONDS} s"
        return Answer(**json.loads(line))

    def close(self) -> None:
        """End the process."""
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@contextlib.contextmanager
def _killed_after(seconds: float, process: subprocess.Popen[str]) -> Iterator[None]:
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _serve() -> None:
    """Fork for each line of standard input; answer with a line."""
    import keystoneauth1.identity.v3  # noqa: F401, PLC0415 - so that the forks need not
    import manilaclient.v2.client  # noqa: F401, PLC0415
    from openstackclient import shell  # noqa: PLC0415

    for name in [name for name in os.environ if name.startswith("OS_")]:
        del os.environ[name]
    with contextlib.redirect_stdout(io.StringIO()):
        shell.main(["command", "list"])  # loads every plugin's commands
    for line in sys.stdin:
        argv, environment = json.loads(line)
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            child = os.fork()
            if child == 0:
                os.environ.update(environment)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.argv = ["openstack", *argv]
                try:
                    code = shell.main(argv)
                except SystemExit as error:
                    code = error.code
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code if isinstance(code, int) else int(code is not None))
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            out.seek(0)
            err.seek(0)
            json.dump({"code": code, "out": out.read(), "err": err.read()}, sys.stdout)
            print(flush=True)  # noqa: T201 - the end of the answer


if __name__ == "__main__":
    _serve()
