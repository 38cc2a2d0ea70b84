"""Options of a backend section with ``share_driver = linux``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from oslo_config import cfg

from abaca.drivers.linux import wires
from abaca.drivers.linux.values import number, texts
from abaca.modes import DriverMode

OPTIONS: tuple[cfg.Opt, ...] = (
    cfg.StrOpt(
        "storage_path",
        help="Directory for this backend's images, on any file system of this host. Required. "
        "Each project gets a sparse btrfs image of its own per share server.",
    ),
    cfg.ListOpt(
        "export_addresses",
        default=[],
        help="Addresses of this host that clients mount from. Required in single_svm, unused in "
        "the other modes. With one address the NFS server listens on that one only; with several, "
        "on all addresses of the host.",
    ),
    cfg.ListOpt(
        "nfs_versions",
        default=["4"],
        help="NFS versions served: `4`, or `3, 4`. Clients of version 3 must name the ports, "
        "`-o vers=3,port=2049,mountport=20048,nolock`, because the port mapper is not reachable.",
    ),
    cfg.FloatOpt(
        "max_over_subscription_ratio",
        default=1.0,
        min=1.0,
        help="How many times the room of the file system may be promised to shares. With 1.0 a "
        "share can always be filled; with more, the file system may become full before.",
    ),
    cfg.IntOpt(
        "reserved_share_percentage",
        default=0,
        min=0,
        max=99,
        help="Part of the file system's room that is never given to shares.",
    ),
    cfg.FloatOpt(
        "operation_timeout",
        default=60.0,
        min=1.0,
        help="Seconds that an operation waits for the one before it on the same share server.",
    ),
    *wires.OPTIONS,
)

_VERSIONS = (["4"], ["3", "4"])


@dataclass(frozen=True, slots=True, kw_only=True)
class LinuxOptions:
    """The options of one backend, parsed."""

    storage_path: Path
    export_addresses: tuple[IPv4Address | IPv6Address, ...]
    nfs_versions: tuple[int, ...]
    over_subscription: float
    reserved_percentage: int
    operation_timeout: float


def parse(values: Mapping[str, object]) -> LinuxOptions:
    """The options of a section without faults."""
    return LinuxOptions(
        storage_path=Path(str(values["storage_path"])),
        export_addresses=tuple(ip_address(text) for text in texts(values, "export_addresses")),
        nfs_versions=tuple(sorted(int(text) for text in texts(values, "nfs_versions") or ["4"])),
        over_subscription=number(values, "max_over_subscription_ratio", 1.0),
        reserved_percentage=int(number(values, "reserved_share_percentage", 0)),
        operation_timeout=number(values, "operation_timeout", 60.0),
    )


def faults(section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
    """What is wrong with the section, one line each."""
    found: list[str] = []
    path = values.get("storage_path")
    if not path:
        found.append(
            f"[{section}] storage_path is missing: write the directory for the shares' images, "
            "such as storage_path = /srv/abaca/" + section
        )
    elif not Path(str(path)).is_absolute():
        found.append(f"[{section}] storage_path = {path} is relative: write it from / on")
    versions = texts(values, "nfs_versions")
    if versions and sorted(versions) not in _VERSIONS:
        found.append(
            f"[{section}] nfs_versions = {', '.join(versions)} can't be served: "
            "write nfs_versions = 4, or nfs_versions = 3, 4"
        )
    found += _address_faults(section, values, mode) + wires.faults(section, values)
    if mode is DriverMode.FLAT and not _has_flat(values):
        found.append(
            f"[{section}] bridge_mappings has no flat wire: write bridge_mappings = flat:BRIDGE, "
            "with the bridge that is on the backend's network"
        )
    return found


def _has_flat(values: Mapping[str, object]) -> bool:
    return any(item.startswith("flat:") for item in texts(values, "bridge_mappings"))


def _address_faults(section: str, values: Mapping[str, object], mode: DriverMode) -> list[str]:
    addresses = texts(values, "export_addresses")
    if mode is DriverMode.SINGLE and not addresses:
        missing = (
            f"[{section}] export_addresses is missing: single_svm needs the addresses of this "
            "host that clients mount from, such as export_addresses = 192.0.2.10"
        )
        return [missing]
    if mode is not DriverMode.SINGLE and addresses:
        useless = (
            f"[{section}] export_addresses has no meaning in {mode}: remove it "
            "(share servers get their addresses from the network section)"
        )
        return [useless]
    found = []
    for text in addresses:
        try:
            address = ip_address(text)
        except ValueError:
            found.append(f"[{section}] export_addresses: {text} is not an IP address")
            continue
        if address.is_unspecified or address.is_multicast:
            found.append(f"[{section}] export_addresses: {text} can't be mounted from")
    return found
