"""A tenant's NFS client: the libnfs tools, run on the tenant's machine."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from abaca.demo.topology import Machine
from abaca.errors import CommandFailed

CLIENT_SECONDS = 30
REFUSAL_SECONDS = 8
"""A machine on another segment learns after three seconds that nobody is there."""


def url(export: str, file: str) -> str:
    """The libnfs URL of a file on an export location ``address:/path``."""
    address, _, path = export.rpartition(":/")
    return f"nfs://{address}/{path}/{file}?version=4"


def write(machine: Machine, export: str, file: str, data: bytes) -> str:
    """Write a small file (up to 3,900 bytes: a limit of libnfs 4.0 over NFSv4); its SHA-256."""
    with tempfile.NamedTemporaryFile() as source:
        Path(source.name).write_bytes(data)
        machine.run("nfs-cp", source.name, url(export, file), timeout=CLIENT_SECONDS)
    return hashlib.sha256(data).hexdigest()


def read(machine: Machine, export: str, file: str) -> str:
    """The SHA-256 of a file, as the machine reads it."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "copy")
        machine.run("nfs-cp", url(export, file), str(target), timeout=CLIENT_SECONDS)
        return hashlib.sha256(target.read_bytes()).hexdigest()


def can_read(machine: Machine, export: str, file: str) -> bool:
    """True if the machine can read the file now."""
    try:
        read(machine, export, file)
    except CommandFailed:
        return False
    return True


def refusal(machine: Machine, export: str) -> str:
    """The client's error when the machine may not mount; AssertionError if it may."""
    try:
        listing = machine.run("nfs-ls", url(export, "").replace("/?", "?"), timeout=REFUSAL_SECONDS)
    except CommandFailed as error:
        return error.output.strip().splitlines()[-1][-120:] if error.output.strip() else "timeout"
    raise AssertionError(f"{machine.name} could list {export}: {listing!r}")
