"""What must be on the host before a backend starts."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from abaca.drivers.linux.options import LinuxOptions
from abaca.errors import CommandFailed, DriverError
from abaca.linux.command import find
from abaca.modes import DriverMode

PROGRAMS = (
    "btrfs",
    "dbus-daemon",
    "fstrim",
    "ganesha.nfsd",
    "mkfs.btrfs",
)
SERVER_PROGRAMS = ("nft",)


def check_programs(options: LinuxOptions, mode: DriverMode) -> None:
    """Raise DriverError that says what to install or grant, if anything is missing."""
    if missing := lacking(options, mode):
        raise DriverError("\n".join(missing))


def lacking(options: LinuxOptions, mode: DriverMode) -> list[str]:
    """What is missing, one line each."""
    missing = []
    if os.geteuid() != 0:
        missing.append("the linux driver needs root: it makes namespaces, mounts and loop devices")
    programs = list(PROGRAMS)
    if mode.has_share_servers:
        programs += SERVER_PROGRAMS
    if 3 in options.nfs_versions:  # noqa: PLR2004
        programs += ["rpcbind", "unshare"]
    for program in programs:
        try:
            find([program])
        except CommandFailed as error:
            missing.append(error.output)
    if not Path("/dev/loop-control").exists():
        missing.append("there is no /dev/loop-control: the kernel needs loop devices")
    if not _knows_btrfs():
        missing.append("the kernel has no btrfs: run `modprobe btrfs`")
    missing += [_address_fault(item) for item in options.export_addresses if not _is_ours(item)]
    return missing


def _knows_btrfs() -> bool:
    known = Path("/proc/filesystems").read_text(encoding="ascii").split()
    modules = Path("/lib/modules") / os.uname().release
    return "btrfs" in known or any(modules.glob("kernel/fs/btrfs/*"))


def _is_ours(address: IPv4Address | IPv6Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def _address_fault(address: IPv4Address | IPv6Address) -> str:
    return f"export_addresses: {address} is no address of this host; configure it first"
