"""Commands without their start: each is a fork of a process that has imported it all.

Importing takes a second and more of each command; what the command itself does is as in
a process of its own, from its arguments, environment and standard input to its exit code.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class ForkedCommand:
    """Runs one program's commands; not for several threads at once.

    ``program`` is a key of `PROGRAMS`; ``netns`` a network namespace that they run in.
    """

    def __init__(self, program: str, netns: str | None = None) -> None:
        self._program = program
        prefix = [] if netns is None else ["nsenter", f"--net=/run/netns/{netns}"]
        self._process = subprocess.Popen(
            [*prefix, sys.executable, __file__, program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, argv: Sequence[str], environment: Mapping[str, str], stdin: str | None = None
    ) -> Answer:
        """Run `PROGRAM ARGV` with these variables besides those of this process."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps([argv, dict(environment), stdin]), file=process.stdin, flush=True)
        with _killed_after(SECONDS, process):
            line = process.stdout.readline()
        assert line, f"{self._program} {' '.join(argv)}: no answer in {SECONDS} s"
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


def _openstack() -> Callable[[list[str]], object]:
    """`openstack` with every plugin's commands; it reads no variables but those it is given."""
    import keystoneauth1.identity.v3  # noqa: F401, PLC0415 - so that the forks need not
    import manilaclient.v2.client  # noqa: F401, PLC0415
    from openstackclient import shell  # noqa: PLC0415

    for name in [name for name in os.environ if name.startswith("OS_")]:
        del os.environ[name]
    with contextlib.redirect_stdout(io.StringIO()):
        shell.main(["command", "list"])
    main: Callable[[list[str]], object] = shell.main
    return main


def _abaca() -> Callable[[list[str]], object]:
    """`abaca` with all of its commands, and what they import as late as they can."""
    import abaca.cli as package  # noqa: PLC0415 - only this program's
    from abaca.cli.main import main  # noqa: PLC0415

    late = ("abaca.drivers.linux", "abaca.identity.accounts", "abaca.service.state")
    commands = (item.name for item in pkgutil.iter_modules(package.__path__, "abaca.cli."))
    for name in (*commands, *late, "abaca.network.standalone", "sqlalchemy.dialects.sqlite"):
        importlib.import_module(name)
    return main


PROGRAMS = {"openstack": _openstack, "abaca": _abaca}
"""What imports a program, and returns its entry point."""


def _serve(program: str) -> None:
    """Fork for each line of standard input; answer with a line."""
    main = PROGRAMS[program]()
    for line in sys.stdin:
        argv, environment, stdin = json.loads(line)
        with (
            tempfile.TemporaryFile("w+") as given,
            tempfile.TemporaryFile("w+") as out,
            tempfile.TemporaryFile("w+") as err,
        ):
            given.write(stdin or "")
            given.seek(0)
            child = os.fork()
            if child == 0:
                os.environ.update(environment)
                for stream, number in ((given, 0), (out, 1), (err, 2)):
                    os.dup2(stream.fileno(), number)
                _be(program, main, argv)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            out.seek(0)
            err.seek(0)
            json.dump({"code": code, "out": out.read(), "err": err.read()}, sys.stdout)
            print(flush=True)  # noqa: T201 - the end of the answer


def _be(program: str, main: Callable[[list[str]], object], argv: list[str]) -> None:
    """The child: a process of this program's, which ends."""
    sys.argv = [program, *argv]
    sys.stdin = os.fdopen(0)
    try:
        code = main(argv)
    except SystemExit as error:
        code = error.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _serve(sys.argv[1])
