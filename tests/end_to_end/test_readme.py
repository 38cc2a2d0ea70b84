"""The README, followed to the letter by somebody new, on a host of its own.

Changed are the two directories of its configuration, and `mount`, in whose place an
NFS client from user space reads and writes: the kernel's is not in every container.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.command import BIN
from support.configuration import Options, text_of
from support.hostns import Host, Machine, host
from support.openstack_client import OpenStackClient
from support.serving import announced, running

pytestmark = [pytest.mark.dataplane, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
FOLDERS = {"/var/lib/abaca": "state", "/srv/abaca": "storage"}
MOUNT = "mount -t nfs -o vers=4 ADDRESS:/shares/ID /mnt"
SECONDS = 60


def block(language: str, beginning: str) -> str:
    """The one piece of the README in this language that begins so."""
    (found,) = [text for name, text in BLOCKS if name == language and text.startswith(beginning)]
    return str(found)


@dataclass
class Shell:
    """A shell on the host, in a directory: what was exported, and the commands that ran."""

    made: Host
    client: OpenStackClient
    exported: dict[str, str] = field(default_factory=dict)

    def variables(self, words: list[str]) -> None:
        """What `export` does."""
        for word in words:
            name, _, value = word.partition("=")
            self.exported[name] = value.replace("$PWD", str(self.made.folder))

    def argv(self, *argv: str) -> list[str]:
        """A program of `.venv/bin`, on the host."""
        return ["nsenter", f"--net=/run/netns/{self.made.netns}", str(BIN / argv[0]), *argv[1:]]

    @property
    def environment(self) -> Mapping[str, str]:
        """This process's, without what it says of OpenStack and Abaca; and what was exported."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "ABACA_"))}
        return {**kept, **self.exported}

    def run(self, *argv: str) -> str:
        """What a command prints; it must end well."""
        if argv[0] == "openstack":
            answer = self.client.run(argv[1:], self.exported)
            assert answer.code == 0, f"{argv}: {answer.err}"
            return answer.out
        done = subprocess.run(
            self.argv(*argv),
            cwd=self.made.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def made_host(tmp_path: Path) -> Iterator[Host]:
    """A host with an address, as any has, removed afterwards with all that is on it."""
    with host(tmp_path) as made:
        # NFS-Ganesha finds no IPv4 address, not even 127.0.0.1, where there is none but that.
        made.cable(made.machine("neighbour"), "uplink")
        made.ip("addr", "add", "192.0.2.1/24", "dev", "uplink")
        yield made


@contextmanager
def serving(shell: Shell, *argv: str) -> Iterator[str]:
    """The service, until the block ends; the password that it printed."""
    folder = shell.made.folder
    log = folder / "log"
    with running(shell.argv(*argv), log, cwd=folder, env=shell.environment) as process:
        yield announced(process, log)[1]


def lines(text: str) -> list[list[str]]:
    """The words of each line, without its comment."""
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


def written(made: Host, stored: Mapping[str, Options]) -> None:
    """The configuration, with directories of this test; its deployment is that of the host.

    Its database is that of the run.
    """
    text = block("ini", "[DEFAULT]")
    for path, name in FOLDERS.items():
        assert text.count(path) == 1
        text = text.replace(path, str(made.folder / name))
    (made.folder / "abaca.conf").write_text(f"{text}\n{text_of(stored)}")
    (made.folder / "state").mkdir()
    (made.folder / "state" / "deployment").write_text(made.deployment)


def mounted(shell: Shell, location: str) -> None:
    """The location has the form that the README says, and is written and read over NFS."""
    assert re.fullmatch(r"127\.0\.0\.1:/shares/[0-9a-f-]{36}", location)
    source = shell.made.folder / "said"
    source.write_text("the first file")
    here = Machine(shell.made.netns)
    deadline = time.monotonic() + SECONDS
    while (done := here.write(location, "file", source)).returncode:
        # The rule was accepted; it is in force a moment later.
        assert time.monotonic() < deadline, done.stdout + done.stderr
        time.sleep(0.2)
    assert here.read(location, "file").stdout == "the first file"


def test_a_first_share_by_hand(made_host: Host, stored: Mapping[str, Options]) -> None:
    """Each block, as it is printed: the service starts, and both clients make a share on it."""
    written(made_host, stored)
    client = made_host.inside(OpenStackClient)
    shell = Shell(made_host, client)
    try:
        export, check, serve = lines(block("", "export ABACA_CONFIG"))
        assert export[0] == "export"
        shell.variables(export[1:])
        assert shell.run(*check).splitlines()[-1] == "no faults"
        with serving(shell, *serve) as password:
            other = Shell(made_host, client)
            locations = follow(other, block("", "export OS_AUTH_URL"), password)
            mounted(other, locations[0])
            more = shell_python(other, block("python", "import openstack"))
            assert re.fullmatch(r"\['127\.0\.0\.1:/shares/[0-9a-f-]{36}'\]\n", more)
            assert more[2:-3] != locations[0]
            for words in what_is_more():
                (shell if words[0] == "abaca" else other).run(*words)
    finally:
        client.close()


def follow(shell: Shell, text: str, password: str) -> list[str]:
    """The commands of a tenant; the export locations that the last of them lists."""
    *commands, mount = lines(text)
    assert mount == MOUNT.split()
    for words in commands:
        if words[0] == "export":
            shell.variables(
                [word.replace("PASSWORD=...", f"PASSWORD={password}") for word in words[1:]]
            )
        else:
            said = shell.run(*words)
    assert commands[-1][:5] == ["openstack", "share", "export", "location", "list"]
    return re.findall(r"\S+:/\S+", said)


def shell_python(shell: Shell, text: str) -> str:
    """What a Python program prints."""
    (shell.made.folder / "first.py").write_text(text)
    return shell.run(Path(sys.executable).name, "first.py")


def what_is_more() -> list[list[str]]:
    """The commands of the sentence that follows."""
    sentence = README.partition("More users")[2].splitlines()[0]
    found = re.findall(r"`((?:abaca|openstack) [^`]+)`", sentence)
    assert len(found) == 4
    return [command.replace("NAME", "somebody").split() for command in found]


def test_every_make_target_is_there() -> None:
    """What the README says to `make` is in the Makefile."""
    said = set(re.findall(r"\bmake ([a-z-]+)\b", " ".join(re.findall(r"`[^`]+`", README))))
    said |= {words[1] for _, text in BLOCKS for words in lines(text) if words[0] == "make"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= said
    assert said - targets == set()
