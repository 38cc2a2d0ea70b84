"""What must be on the host before a backend starts."""

from __future__ import annotations

import os
from pathlib import Path

from abaca.drivers.linux.options import LinuxOptions
from abaca.errors import CommandFailed, DriverError
from abaca.linux.command import find
from abaca.modes import DriverMode

_PROGRAMS = (
    "btrfs",
    "dbus-daemon",
    "fstrim",
    "ganesha.nfsd",
    "losetup",
    "mkfs.btrfs",
    "mount",
    "umount",
)
_SERVER_PROGRAMS = ("nft", "nsenter")


def check_programs(options: LinuxOptions, mode: DriverMode) -> None:
    """Raise DriverError that says what to install or grant, if anything is missing."""
    missing = []
    if os.geteuid() != 0:
        missing.append("the linux driver needs root: it makes namespaces, mounts and loop devices")
    programs = list(_PROGRAMS)
    if mode.has_share_servers:
        programs += _SERVER_PROGRAMS
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
    if missing:
        raise DriverError("\n".join(missing))


def _knows_btrfs() -> bool:
    known = Path("/proc/filesystems").read_text(encoding="ascii").split()
    modules = Path("/lib/modules") / os.uname().release
    return "btrfs" in known or any(modules.glob("kernel/fs/btrfs/*"))
