"""Private PostgreSQL and MariaDB servers for tests: started here, reached over a socket, removed.

They need the Debian packages ``postgresql`` and ``mariadb-server``, and no
service of theirs running. As root they run as the packages' users. What is
committed survives `DatabaseServer.kill`, not a crash of the machine: nothing
waits for the disk.
"""

from __future__ import annotations

import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

START_SECONDS = 60
STOP_SECONDS = 30


class DatabaseServer(ABC):
    """A server of our own in a temporary directory; `start` it, and `close` it in the end.

    ``parent``: where that directory is to be.
    """

    account: ClassVar[str]
    """The user that the server runs as where root starts it."""
    listens: ClassVar[str]
    """The name of its socket, in `home`."""
    orphaned: ClassVar[str]
    """The signal that ends it when the process that started it dies."""

    def __init__(self, parent: Path | None = None) -> None:
        # Short: a socket's path has at most 107 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="abaca-db-", dir=parent))
        self._process: subprocess.Popen[bytes] | None = None
        self._own(self.home)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Serving when this returns; RuntimeError if it ends instead."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._spawn()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = (self.home / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self._command()[0]} does not serve:\n{tail}")
            time.sleep(0.05)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with (self.home / "log").open("ab") as output:
            return subprocess.Popen(
                [*self._as_account(), *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home,
            )

    def kill(self) -> None:
        """End it like a crash, all of it: no connection is closed in order."""
        if self._process is None:
            return
        # PostgreSQL's other processes would go on for a moment: while they do it can't be started.
        self._process.send_signal(signal.SIGSTOP)
        others = _children(self._process.pid)
        self._end(signal.SIGKILL)
        for other in others:
            _kill(other)

    def stop(self) -> None:
        """End it in order; connections are closed, not waited for."""
        self._end(signal.SIGINT if self.account == "postgres" else signal.SIGTERM)

    def close(self) -> None:
        """End it, and remove everything."""
        self._end(signal.Signals[f"SIG{self.orphaned}"])
        shutil.rmtree(self.home, ignore_errors=True)

    def create(self) -> str:
        """Make an empty database; its URL."""
        name = f"abaca_{uuid.uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database that `create` made, whoever is connected to it."""
        name = url.partition("?")[0].rpartition("/")[2]
        self.run(f"DROP DATABASE {name}{self._forced}")

    def run(self, statement: str) -> None:
        """Run one statement as the server's administrator."""
        engine = create_engine(self._admin_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))

    @abstractmethod
    def url(self, name: str) -> str:
        """The SQLAlchemy URL of a database."""

    _forced: ClassVar[str] = ""

    @property
    @abstractmethod
    def _admin_url(self) -> str: ...

    @abstractmethod
    def _prepare(self) -> None: ...

    @abstractmethod
    def _command(self) -> list[str]: ...

    def _answers(self) -> bool:
        # PyMySQL leaves a socket open that was refused.
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.home / self.listens)) != 0:
                return False
        try:
            self.run("SELECT 1")
        except DBAPIError:
            return False
        return True

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        self._process = None

    def _as_account(self) -> list[str]:
        """Run what follows as the account; it ends with us, were we killed ourselves."""
        argv = ["setpriv", "--pdeathsig", self.orphaned]
        if os.geteuid() == 0:
            argv += ["--reuid", self.account, "--regid", self.account, "--clear-groups"]
        return [*argv, "--"]

    def _own(self, folder: Path) -> None:
        if os.geteuid() == 0:
            account = pwd.getpwnam(self.account)
            os.chown(folder, account.pw_uid, account.pw_gid)

    def _tool(self, *argv: str) -> None:
        done = subprocess.run(
            [*self._as_account(), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.home,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{argv[0]}: exit {done.returncode}\n{done.stdout.decode()[-2000:]}")


class PostgresqlServer(DatabaseServer):
    """PostgreSQL, the newest that is installed."""

    account = "postgres"
    listens = ".s.PGSQL.5432"
    orphaned = "QUIT"
    _forced = " WITH (FORCE)"

    def url(self, name: str) -> str:
        """Over its socket."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.home}"

    @property
    def _admin_url(self) -> str:
        return self.url("postgres")

    def _prepare(self) -> None:
        initdb = str(_postgresql() / "initdb")
        plain = ("--no-sync", "--auth=trust", "--username=postgres", "-E", "UTF8", "--locale=C")
        self._tool(initdb, *plain, "-D", str(self.home / "data"))

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.home),
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": "400",
            "autovacuum_naptime": "10min",
        }
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        return [str(_postgresql() / "postgres"), "-D", str(self.home / "data"), *options]


class MariadbServer(DatabaseServer):
    """MariaDB."""

    account = "mysql"
    listens = "sock"
    orphaned = "KILL"

    def url(self, name: str) -> str:
        """Over its socket."""
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={self.home / self.listens}"

    @property
    def _admin_url(self) -> str:
        return self.url("mysql")

    def _prepare(self) -> None:
        self._tool(
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={self.home}/data",
            self._own_temporary_tables(),
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        )

    def _own_temporary_tables(self) -> str:
        """At its start a server removes the temporary tables that it finds, whosever they are."""
        return f"--tmpdir={self.home}"

    def _command(self) -> list[str]:
        return [
            shutil.which("mariadbd") or "/usr/sbin/mariadbd",
            "--no-defaults",
            f"--datadir={self.home}/data",
            self._own_temporary_tables(),
            f"--socket={self.home / self.listens}",
            f"--pid-file={self.home}/pid",
            "--skip-networking",
            "--skip-log-bin",
            # As Debian's configuration has it.
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_general_ci",
            "--performance-schema=off",
            "--max-connections=400",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=32M",
            # Written to the kernel at each commit, and not waited for: survives `kill`.
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-flush-method=nosync",
        ]


SERVERS: dict[str, type[DatabaseServer]] = {
    "postgresql": PostgresqlServer,
    "mariadb": MariadbServer,
}


@contextmanager
def serving(kind: str, parent: Path | None = None) -> Iterator[DatabaseServer]:
    """A server of that kind (a key of `SERVERS`), as long as the block lasts."""
    server = SERVERS[kind](parent)
    try:
        server.start()
        yield server
    finally:
        server.close()


def _children(process: int) -> list[int]:
    """Descriptors of the processes that it has started and that have not ended."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            with suppress(ProcessLookupError):
                found.append(os.pidfd_open(int(child)))
    return found


def _kill(descriptor: int) -> None:
    """The process is gone, and the descriptor closed."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    ended = select.poll()
    ended.register(descriptor, select.POLLIN)
    ended.poll(STOP_SECONDS * 1000)
    os.close(descriptor)


def _postgresql() -> Path:
    """The programs of the newest PostgreSQL, which Debian keeps out of PATH."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda item: int(item.parts[-3])
    )
    if not found:
        raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent
